import { createElement, Profiler, type ReactElement, StrictMode, useState } from 'react';
import { renderToString } from 'react-dom/server';
import { describe, expect, test } from 'vitest';
import type * as millraceReact from '../../src/react.js';
import { openTestBus } from '../bus/support/open.js';
import { until } from '../bus/support/wait.js';
import { mount, setHidden } from './support/dom.js';
import { connectTo } from './support/millrace-client.js';
import { WrongServer } from './support/wrong-server.js';

const built: typeof millraceReact = await import(
  /* @vite-ignore */ new URL('../../dist/react.js', import.meta.url).href
);
const { BusProvider, useBus, useBusState, useSubscription } = built;

/** The hooks in a real React, over a real connection to a real bus. */

type View = ReturnType<typeof useSubscription>;
type Options = Parameters<typeof useSubscription>[1];

const event = { topic: 'a.b', type: 'agent_log' };

async function serve() {
  const bus = await openTestBus({ shards: 1 });
  const gateway = await bus.serve({ port: 0 });
  const { client } = connectTo(gateway.url);
  await client.connected();
  return { bus, gateway, client };
}

/** A component that shows what its hook gives, and keeps every view it has rendered. */
function watcher() {
  const views: View[] = [];
  function Watcher(props: { filter: string | string[]; options?: Options }): ReactElement {
    const view = useSubscription(props.filter, props.options ?? {});
    views.push(view);
    return createElement('p', null, view.events.map(({ payload }) => String(payload)).join(','));
  }
  const latest = (): View => views.at(-1)!;
  return { Watcher, views, latest };
}

describe('useSubscription', () => {
  test('renders every event, in order, however many come at once', async () => {
    const { bus, client } = await serve();
    const { Watcher, views, latest } = watcher();
    const options = { history: 5000 };
    const page = mount(
      createElement(BusProvider, { client }, createElement(Watcher, { filter: 'a.*', options })),
    );
    expect(views[0]).toMatchObject({ events: [], latest: undefined, state: 'off' });
    await until('live', () => latest().state === 'live');
    const inputs = Array.from({ length: 3000 }, (_, payload) => ({ ...event, payload }));
    await bus.publishMany(inputs, { durability: 'written' });
    await until('all', () => latest().events.length === 3000);
    expect(latest().events.map(({ payload }) => payload)).toEqual(inputs.map((one) => one.payload));
    expect(latest().latest?.payload).toBe(2999);
    // One render for all that came together.
    expect(views.length).toBeLessThan(1000);
    expect(page.text.endsWith('2998,2999')).toBe(true);
    for (const [at, { events }] of views.entries()) {
      if (at > 0) expect(events.length).toBeGreaterThanOrEqual(views[at - 1]!.events.length);
    }
  });

  test('gives the newest event even if no history is kept', async () => {
    const { bus, client } = await serve();
    const { Watcher, latest } = watcher();
    const options = { history: 0 };
    mount(
      createElement(BusProvider, { client }, createElement(Watcher, { filter: 'a.*', options })),
    );
    await until('live', () => latest().state === 'live');
    for (let payload = 1; payload <= 40; payload++) {
      await bus.publish({ ...event, payload });
      await until('it is rendered', () => latest().latest?.payload === payload);
      expect(latest().events).toEqual([]);
    }
  });

  test('goes on if its client is connected again as soon as it has failed', async () => {
    const server = await WrongServer.start();
    const { client } = connectTo(server.url, { maxReconnectAttempts: 0 });
    const { Watcher, latest } = watcher();
    mount(createElement(BusProvider, { client }, createElement(Watcher, { filter: 'a.*' })));
    await until('live', () => latest().state === 'live');
    client.on('state', ({ state }) => {
      if (state === 'failed') queueMicrotask(() => client.connect());
    });
    server.sockets[0]!.terminate();
    await until('live again', () => server.count('subscribe') === 2 && latest().state === 'live');
  });

  test('keeps at most its history, and forgets it on clear', async () => {
    const { bus, client } = await serve();
    const { Watcher, views, latest } = watcher();
    const options = { history: 10 };
    mount(
      createElement(BusProvider, { client }, createElement(Watcher, { filter: 'a.*', options })),
    );
    await until('live', () => latest().state === 'live');
    for (let payload = 0; payload < 100; payload++) await bus.publish({ ...event, payload });
    await until('the last', () => latest().latest?.payload === 99);
    expect(latest().events.map(({ payload }) => payload)).toEqual([
      90, 91, 92, 93, 94, 95, 96, 97, 98, 99,
    ]);
    expect(Math.max(...views.map(({ events }) => events.length))).toBe(10);
    latest().clear();
    await until('nothing', () => latest().events.length === 0);
    expect(latest().state).toBe('live');
  });

  test('subscribes once if its filter and options are new objects of the same value', async () => {
    const { bus, client } = await serve();
    const { Watcher, latest, views } = watcher();
    const tree = () =>
      createElement(
        BusProvider,
        { client },
        createElement(Watcher, { filter: ['a.*', 'b.*'], options: { from: { last: 5 } } }),
      );
    await bus.publish({ ...event, payload: 'old' });
    const page = mount(tree());
    await until('the old one', () => latest().events.length === 1);
    for (let i = 0; i < 5; i++) page.render(tree());
    expect((await bus.stats()).subscriptions).toBe(1);
    expect(views.at(-1)!.events).toHaveLength(1);
    expect(views.at(-1)).toBe(views.at(-2));
  });

  test('begins anew with no events if the value changes', async () => {
    const { bus, client } = await serve();
    const { Watcher, latest } = watcher();
    const tree = (filter: string) =>
      createElement(
        BusProvider,
        { client },
        createElement(Watcher, { filter, options: { from: 'earliest' } }),
      );
    for (const topic of ['a.1', 'b.1', 'a.2'])
      await bus.publish({ ...event, topic, payload: topic });
    const page = mount(tree('a.*'));
    await until('those of a', () => page.text === 'a.1,a.2');
    page.render(tree('b.*'));
    await until('those of b', () => page.text === 'b.1');
    expect(latest().events).toHaveLength(1);
    await until('one is left', async () => (await bus.stats()).subscriptions === 1);
    page.unmount();
    await until('none is left', async () => (await bus.stats()).subscriptions === 0);
  });

  test('shows each event once in strict mode, which mounts everything twice', async () => {
    const { bus, client } = await serve();
    const { Watcher, latest } = watcher();
    for (let payload = 0; payload < 5; payload++) await bus.publish({ ...event, payload });
    const options = { from: 'earliest' } as const;
    const tree = createElement(Watcher, { filter: 'a.*', options });
    const page = mount(
      createElement(StrictMode, null, createElement(BusProvider, { client }, tree)),
    );
    await until('all', () => latest().events.length >= 5);
    await bus.publish({ ...event, payload: 5 });
    await until('one more', () => latest().events.length >= 6);
    expect(page.text).toBe('0,1,2,3,4,5');
    expect((await bus.stats()).subscriptions).toBe(1);
  });

  test('subscribes once in strict mode', async () => {
    const server = await WrongServer.start();
    const { client } = connectTo(server.url);
    await client.connected();
    const { Watcher, latest } = watcher();
    const tree = createElement(Watcher, { filter: 'a.*', options: { client } });
    const page = mount(createElement(StrictMode, null, tree));
    await until('live', () => latest().state === 'live');
    expect(server.count('subscribe')).toBe(1);
    page.unmount();
    await until('it is left', () => server.count('unsubscribe') === 1);
  });

  test('has no subscription while the page is hidden, and then goes on where it was', async () => {
    const { bus, client } = await serve();
    const { Watcher, latest } = watcher();
    const stays = watcher();
    const page = mount(
      createElement(
        BusProvider,
        { client },
        createElement(Watcher, { filter: 'a.*' }),
        createElement(stays.Watcher, { filter: 'a.*', options: { pauseWhenHidden: false } }),
      ),
    );
    await until('live', () => latest().state === 'live' && stays.latest().state === 'live');
    await bus.publish({ ...event, payload: 1 });
    await until('one', () => latest().events.length === 1);
    setHidden(true);
    await until('paused', () => latest().state === 'paused');
    await until('one is left', async () => (await bus.stats()).subscriptions === 1);
    await bus.publish({ ...event, payload: 2 });
    await until('the other has it', () => stays.latest().events.length === 2);
    expect(latest().events).toHaveLength(1);
    setHidden(false);
    await until('what was missed', () => latest().events.length === 2);
    expect(latest().state).toBe('live');
    expect(page.text).toBe('1,21,2');
  });

  test('gives the error of a failure, and can be disabled', async () => {
    const { client } = await serve();
    const { Watcher, latest } = watcher();
    const tree = (filter: string, options: Options = {}) =>
      createElement(Watcher, { filter, options: { client, ...options } });
    const page = mount(tree('a..b'));
    await until('failed', () => latest().state === 'failed');
    expect(latest().error).toMatchObject({ code: 'PATTERN_INVALID' });
    page.render(tree('a.b', { enabled: false }));
    expect(latest()).toMatchObject({ state: 'off', error: undefined, events: [] });
    page.render(tree('a.b'));
    await until('live', () => latest().state === 'live');
  });

  test('renders at most once in its throttle time, without losing events', async () => {
    const { bus, client } = await serve();
    const { Watcher, latest } = watcher();
    let commits = 0;
    const onRender = (): void => {
      commits++;
    };
    const options = { throttleMs: 200, history: 1000, client };
    mount(
      createElement(
        Profiler,
        { id: 'p', onRender },
        createElement(Watcher, { filter: 'a.*', options }),
      ),
    );
    await until('live', () => latest().state === 'live');
    for (let payload = 0; payload < 200; payload++) {
      await bus.publish({ ...event, payload }, { durability: 'written' });
    }
    await until('all', () => latest().events.length === 200);
    expect(commits).toBeLessThan(200);
  });

  test('gives coalesced events with coalesce', async () => {
    const { bus, client } = await serve();
    const views: { text: string }[] = [];
    function Tokens(): ReactElement {
      const { latest } = useSubscription<string>('a.*', {
        client,
        from: 'earliest',
        coalesce: { windowMs: 20, merge: (previous, next) => previous + next },
      });
      views.push({ text: latest?.payload ?? '' });
      return createElement('p', null, latest?.coalesced.length);
    }
    for (const payload of ['To', 'ken', 's']) await bus.publish({ ...event, payload });
    const page = mount(createElement(Tokens));
    await until('all of them', () => views.at(-1)!.text === 'Tokens');
    expect(page.text).toBe('3');
  });
});

describe('useBusState', () => {
  test('follows the connection', async () => {
    const { client, gateway, bus } = await serve();
    const seen: string[] = [];
    function State(): ReactElement {
      const { state, attempt } = useBusState();
      const [first] = useState(state);
      seen.push(state);
      expect(useBus()).toBe(client);
      return createElement('p', null, `${first} ${state} ${attempt ?? ''}`);
    }
    const page = mount(createElement(BusProvider, { client }, createElement(State)));
    expect(page.text).toBe('connected connected ');
    await gateway.close();
    await until('lost', () => seen.includes('reconnecting'));
    await bus.serve({ port: gateway.port });
    await until('again', () => seen.at(-1) === 'connected');
  });

  test('needs a client, and says so; rendered on a server it has no events and no connection', async () => {
    const { client } = await serve();
    const State = (): ReactElement => createElement('p', null, useBusState().state);
    const Bus = (): ReactElement => createElement('p', null, useBus().state);
    const Events = (): ReactElement => createElement('p', null, useSubscription('a').state);
    for (const component of [State, Bus, Events]) {
      expect(() => renderToString(createElement(component))).toThrow(/BusProvider/);
    }
    const tree = createElement(BusProvider, { client }, createElement(Events));
    expect(renderToString(tree)).toBe('<p>off</p>');
  });
});
