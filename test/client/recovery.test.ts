import { createElement, type ReactElement } from 'react';
import { describe, expect, test } from 'vitest';
import type * as millraceReact from '../../src/react.js';
import { until } from '../bus/support/wait.js';
import { mount } from './support/dom.js';
import { connectTo } from './support/millrace-client.js';
import { cursorAt, eventsFrame, send, WrongServer } from './support/wrong-server.js';

const built: typeof millraceReact = await import(
  /* @vite-ignore */ new URL('../../dist/react.js', import.meta.url).href
);
const { useSubscription } = built;

type View = ReturnType<typeof useSubscription>;
type Options = NonNullable<Parameters<typeof useSubscription>[1]>;

/** A client, and a page with a hook, during lasting failures: their errors, and how they recover. */

/** A page that subscribes; `views` has every view it has rendered. */
function watch(options: Options): { latest: () => View; views: View[] } {
  const views: View[] = [];
  function Watcher(): ReactElement {
    views.push(useSubscription('a', options));
    return createElement('p');
  }
  mount(createElement(Watcher));
  return { views, latest: () => views.at(-1)! };
}

/** A server that knows no cursor but those of its own epoch. */
async function withoutHistory(): Promise<WrongServer> {
  const server = await WrongServer.start();
  server.script = ({ type, requestId, payload }, socket) => {
    if (type !== 'subscribe' || payload.from?.after === undefined) return false;
    const error = { code: 'CURSOR_EXPIRED', message: 'the cursor is of another history' };
    send(socket, { type: 'error', requestId, payload: error });
    return true;
  };
  return server;
}

/** The `from` of every subscription that was asked for. */
function asked({ asked }: WrongServer): unknown[] {
  return asked.filter(({ type }) => type === 'subscribe').map(({ payload }) => payload.from);
}

describe('a hook whose cursor has expired', () => {
  const expired = { from: { after: cursorAt(7) } } as const;

  test('begins anew at onExpired, and is live then', async () => {
    const server = await withoutHistory();
    const { client } = connectTo(server.url);
    const { latest } = watch({ client, ...expired, onExpired: 'earliest' });
    await until('live', () => latest().state === 'live');
    expect(asked(server)).toEqual([{ after: cursorAt(7) }, 'earliest']);
    expect(latest().error).toBeUndefined();
  });

  test('calls the function onExpired, and fails if that returns undefined', async () => {
    const server = await withoutHistory();
    const { client } = connectTo(server.url);
    const codes: string[] = [];
    const onExpired = ({ code }: { code: string }): undefined => void codes.push(code);
    const { latest } = watch({ client, ...expired, onExpired });
    await until('failed', () => latest().state === 'failed');
    expect(latest().error).toMatchObject({ code: 'CURSOR_EXPIRED' });
    expect(codes).toEqual(['CURSOR_EXPIRED']);
  });

  test('fails with the error that the function onExpired throws', async () => {
    const server = await withoutHistory();
    const { client } = connectTo(server.url);
    const onExpired = (): never => {
      throw new Error('no idea');
    };
    const { latest } = watch({ client, ...expired, onExpired });
    await until('failed', () => latest().state === 'failed');
    expect(latest().error).toMatchObject({
      code: 'HANDLER_FAILED',
      message: 'the subscription failed: no idea',
    });
  });

  test('does not try for ever if the new start has expired as well', async () => {
    const server = await withoutHistory();
    const { client } = connectTo(server.url);
    const onExpired = () => ({ after: cursorAt(8) });
    const { latest } = watch({ client, ...expired, onExpired });
    await until('failed', () => latest().state === 'failed');
    expect(asked(server)).toHaveLength(2);
  });

  test('fails without onExpired, and begins anew by restart', async () => {
    const server = await withoutHistory();
    const { client } = connectTo(server.url);
    const { latest } = watch({ client, ...expired });
    await until('failed', () => latest().state === 'failed');
    latest().restart('now');
    await until('live', () => latest().state === 'live');
    expect(asked(server)).toEqual([{ after: cursorAt(7) }, 'now']);
  });
});

describe('a hook', () => {
  test('gives its cursor, its last gap and the number of dropped events', async () => {
    const server = await WrongServer.start();
    const { client } = connectTo(server.url);
    const { latest } = watch({ client, overflow: 'drop-oldest' });
    await until('live', () => latest().state === 'live');
    expect(latest()).toMatchObject({ cursor: cursorAt(0), gap: undefined, dropped: 0 });
    const [socket] = server.sockets;
    const { subscription } = server.asked.find(({ type }) => type === 'subscribe')!.payload;
    const gap = { shard: 0, from: 1, to: 4, reason: 'pruned' };
    send(socket!, { type: 'gap', payload: { subscription, ...gap } });
    send(socket!, { type: 'dropped', payload: { subscription, count: 3 } });
    send(socket!, eventsFrame(subscription, 5, 6));
    await until('all', () => latest().events.length === 2);
    expect(latest()).toMatchObject({ cursor: cursorAt(6), gap, dropped: 3 });
    latest().restart();
    await until('forgotten', () => latest().events.length === 0 && latest().state === 'live');
    expect(latest()).toMatchObject({ gap: undefined, dropped: 0 });
  });

  test('whose client has given up connects it again by restart', async () => {
    const server = await WrongServer.start();
    const { client } = connectTo(server.url, { maxReconnectAttempts: 0 });
    const { latest } = watch({ client });
    await until('live', () => latest().state === 'live');
    server.sockets[0]!.terminate();
    await until('failed', () => latest().state === 'failed');
    latest().restart();
    await until('live again', () => latest().state === 'live');
    expect(client.state).toBe('connected');
  });
});

describe('a client whose server cannot be reached', () => {
  test('calls onError once for each outage, and goes on trying', async () => {
    const server = await WrongServer.start();
    const { url } = server;
    await server.close();
    const { client, errors, states } = connectTo(url, { reconnectMaxMs: 20 });
    await until('many tries', () => (states.at(-1)?.attempt ?? 0) >= 8);
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatchObject({ code: 'CONNECTION_FAILED', details: { attempts: 3 } });
    expect(errors[0]!.message).toContain('more will follow');
    expect(client.state).toBe('reconnecting');
  });
});
