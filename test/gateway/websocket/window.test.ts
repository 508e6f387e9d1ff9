import { describe, expect, it } from 'vitest';
import { until } from '../../bus/support/wait.js';
import { openGateway } from '../support/open-gateway.js';

const EVENTS = 40;
const event = { topic: 'a', type: 'agent_log', payload: 'x'.repeat(1000) };

describe('a subscription with a window', () => {
  it('gets no more events than its window until it reports consumed ones', async () => {
    const { endpoint, connect } = await openGateway();
    const client = await connect();
    const window = { events: 5 };
    await client.ask('subscribe', { subscription: 'slow', filter: 'a', window });
    await client.next('caughtUp');
    await client.ask('subscribe', { subscription: 'quick', filter: 'a' });
    await client.next('caughtUp');
    const arrived = { slow: 0, quick: 0 };
    const take = async (): Promise<void> => {
      const { payload } = await client.next('events');
      arrived[payload.subscription as 'slow' | 'quick'] += payload.events.length;
    };
    for (let i = 0; i < EVENTS; i++) await endpoint.publish(event);
    while (arrived.quick < EVENTS) await take();
    expect((await client.answerTo('ping', {}, 'p')).type).toBe('pong');
    expect(arrived.slow).toBe(5);
    while (arrived.slow < EVENTS) {
      const before = arrived.slow;
      client.send({ type: 'consumed', payload: { subscription: 'slow', events: 3 } });
      while (arrived.slow < Math.min(EVENTS, before + 3)) await take();
      expect(arrived.slow).toBe(Math.min(EVENTS, before + 3));
    }
    await client.close();
  });

  it('is bounded in bytes too, by at most one event more', async () => {
    const { endpoint, connect } = await openGateway();
    const client = await connect();
    const window = { events: 1000, bytes: 2500 };
    await client.ask('subscribe', { subscription: 's', filter: 'a', window });
    await client.next('caughtUp');
    for (let i = 0; i < EVENTS; i++) await endpoint.publish(event);
    let arrived = (await client.next('events')).payload.events.length;
    while (arrived < 3) arrived += (await client.next('events')).payload.events.length;
    expect((await client.ask('ping', {})).type).toBe('pong');
    expect(arrived).toBe(3);
    client.send({ type: 'consumed', payload: { subscription: 's', events: 1 } });
    expect((await client.next('events')).payload.events).toHaveLength(1);
    await client.close();
  });

  it('can end while its window is full; a consumed frame after its end is ignored', async () => {
    const { endpoint, connect } = await openGateway();
    const client = await connect();
    const window = { events: 1 };
    await client.ask('subscribe', { subscription: 's', filter: 'a', window });
    await client.next('caughtUp');
    for (let i = 0; i < EVENTS; i++) await endpoint.publish(event);
    await client.next('events');
    expect((await client.ask('unsubscribe', { subscription: 's' })).type).toBe('unsubscribed');
    client.send({ type: 'consumed', payload: { subscription: 's', events: 1 } });
    expect((await client.ask('ping', {})).type).toBe('pong');
    await until('the bus is left', () => endpoint.subscriptions.size === 0);
    await client.close();
  });

  it('refuses a window of the wrong shape', async () => {
    const client = await (await openGateway()).connect();
    for (const window of [0, {}, { events: 0 }, { events: 1, bytes: -1 }, { events: 1, more: 1 }]) {
      const answer = await client.ask('subscribe', { subscription: 's', filter: 'a', window });
      expect(answer.payload.code).toBe('MESSAGE_INVALID');
    }
    await client.close();
  });
});
