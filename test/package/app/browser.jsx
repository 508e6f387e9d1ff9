import { connect } from 'millrace/client';
import { BusProvider, useSubscription } from 'millrace/react';
import { createElement } from 'react';
import { createRoot } from 'react-dom/client';

const client = connect('http://127.0.0.1:7400');

function Findings() {
  const { events } = useSubscription('findings.*', { from: { last: 20 } });
  return createElement(
    'ul',
    null,
    events.map((event) => createElement('li', { key: event.id }, event.topic)),
  );
}

createRoot(document.body).render(createElement(BusProvider, { client }, createElement(Findings)));
