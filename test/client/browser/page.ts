import { connect, type Event } from 'millrace/client';
import { BusProvider, useBusState, useSubscription } from 'millrace/react';
import { createElement, type ReactElement, StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

/** The page of the browser tests: the client and the hooks as in an application, driven from outside. */

/** The part of a page that is used here; the check of types knows no DOM. */
interface BrowserPage {
  readonly location: { readonly href: string };
  readonly document: { getElementById(id: string): Element };
}

const { location, document } = globalThis as object as BrowserPage;
const { searchParams } = new URL(location.href);
const client = connect(searchParams.get('server') ?? '', {
  reconnectBaseMs: 20,
  reconnectMaxMs: 100,
  source: 'browser',
});

const seen: unknown[] = [];
const paused = client.subscribe<number>('a.*', { from: 'earliest', maxBuffer: 4, name: 'unread' });
client.subscribe('a.*', ({ payload }: Event) => void seen.push(payload), { from: 'earliest' });

function Page(): ReactElement {
  const { events, state } = useSubscription('a.*', { from: 'earliest', history: 1000 });
  const { state: connection } = useBusState();
  const payloads = events.map(({ payload }) => payload).join(',');
  return createElement('p', { id: 'out' }, `${connection} ${state} ${payloads}`);
}

createRoot(document.getElementById('root')).render(
  createElement(StrictMode, null, createElement(BusProvider, { client }, createElement(Page))),
);

Object.assign(globalThis, {
  millraceTest: {
    seen: () => seen,
    state: () => client.state,
    reconnects: () => client.reconnects,
    pending: () => paused.pending,
    publish: async (from: number, to: number) => {
      const acks = Array.from({ length: to - from }, (_, n) =>
        client.publish({ topic: 'a.b', type: 'agent_log', payload: from + n }),
      );
      return (await Promise.all(acks)).length;
    },
    read: async (count: number) => {
      const payloads: number[] = [];
      for await (const { payload } of paused) {
        payloads.push(payload);
        if (payloads.length === count) break;
      }
      return payloads;
    },
    query: async () => (await client.query({ topic: 'a.*', limit: 1000 })).length,
  },
});
