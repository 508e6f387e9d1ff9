import { describe, expect, it } from 'vitest';
import type { BusEndpoint } from '../../../src/endpoint/bus-endpoint.js';
import { until } from '../../bus/support/wait.js';
import { openGateway } from '../support/open-gateway.js';

/** More events than the two sockets' kernel buffers can hold, so that unread ones stay with the server. */
const FLOOD_EVENTS = 600;
const PAYLOAD = 'x'.repeat(64 * 1024);
const OUTBOUND_BYTES = 1024 * 1024;

async function flood(endpoint: BusEndpoint): Promise<void> {
  for (let i = 0; i < FLOOD_EVENTS; i++) {
    await endpoint.publish({ topic: 'a', type: 'agent_log', payload: PAYLOAD });
    await new Promise(setImmediate);
  }
}

describe('a client that stops reading', () => {
  it('stops consuming, is cut, and disturbs no other client', async () => {
    const { endpoint, connect, logs } = await openGateway({ stallMs: 300 });
    const [slow, quick] = [await connect(), await connect()];
    for (const client of [slow, quick]) {
      await client.ask('subscribe', { subscription: 's', filter: '*' });
      await client.next('caughtUp');
    }
    const [slowSubscription] = endpoint.subscriptions;
    slow.socket.pause();
    const flooded = flood(endpoint);
    for (let received = 0; received < FLOOD_EVENTS; ) {
      received += (await quick.next('events')).payload.events.length;
    }
    await flooded;
    await slowSubscription!.closed;
    expect(endpoint.subscriptions.size).toBe(1);
    expect(slowSubscription!.taken).toBeLessThan(FLOOD_EVENTS);
    const cut = logs.find(({ fields }) => fields.code === 'SLOW_CONSUMER');
    // The server holds at most one frame more than the limit.
    expect(cut?.fields.bufferedBytes).toBeLessThan(OUTBOUND_BYTES + 512 * 1024);
    slow.socket.resume();
    expect((await slow.closed).code).toBe(1006);
    expect((await quick.ask('ping', {})).type).toBe('pong');
  });

  it('gets every event if it reads on in time', async () => {
    const { endpoint, connect } = await openGateway();
    const client = await connect();
    await client.ask('subscribe', { subscription: 's', filter: '*' });
    await client.next('caughtUp');
    client.socket.pause();
    await flood(endpoint);
    const [subscription] = endpoint.subscriptions;
    expect(subscription!.pending).toBeGreaterThan(0);
    client.socket.resume();
    let expected = 1;
    while (expected <= FLOOD_EVENTS) {
      const { payload } = await client.next('events');
      for (const event of payload.events) expect(event.sequence).toBe(expected++);
    }
  });

  it('cannot make answers pile up, because the server stops reading its requests', async () => {
    const { endpoint, connect, logs } = await openGateway({ stallMs: 300 });
    const client = await connect();
    await endpoint.publish({ topic: 'a', type: 'agent_log', payload: PAYLOAD });
    client.socket.pause();
    for (let i = 0; i < 4000; i++) client.send({ type: 'query', payload: { topic: 'a' } });
    client.socket.resume();
    client.socket.pause();
    await until('it is cut', () => logs.some(({ fields }) => fields.code === 'SLOW_CONSUMER'));
    expect(endpoint.queries.length).toBeLessThan(4000);
  });

  it('gets a long answer only as fast as it reads', async () => {
    const { endpoint, connect, logs } = await openGateway({ stallMs: 300 });
    await flood(endpoint);
    const client = await connect();
    client.send({ type: 'query', payload: { topic: 'a', limit: FLOOD_EVENTS } });
    await client.next('result');
    client.socket.pause();
    await until('it is cut', () => logs.some(({ fields }) => fields.code === 'SLOW_CONSUMER'));
    const cut = logs.find(({ fields }) => fields.code === 'SLOW_CONSUMER');
    expect(cut?.fields.bufferedBytes).toBeLessThan(2.5 * OUTBOUND_BYTES);
  });

  it('is told the number of events that its policy dropped, once it reads again', async () => {
    const { endpoint, connect } = await openGateway({ stallMs: 60_000 });
    const client = await connect();
    await client.ask('subscribe', { subscription: 's', filter: '*', overflow: 'drop-oldest' });
    await client.next('caughtUp');
    const [subscription] = endpoint.subscriptions;
    client.socket.pause();
    await flood(endpoint);
    for (let i = 0; i < 10_000; i++) subscription!.emit('dropped', { count: 2 });
    client.socket.resume();
    let dropped = 0;
    let frames = 0;
    for (let received = 0; received < FLOOD_EVENTS; ) {
      const { type, payload } = await client.next();
      if (type === 'dropped') {
        dropped += payload.count;
        frames++;
      } else received += payload.events.length;
    }
    expect(dropped).toBe(20_000);
    expect(frames).toBe(1);
  });
});
