import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { Budgets } from '../../../src/gateway/budget/budgets.js';
import { until } from '../../bus/support/wait.js';
import { openHttp } from './support/open-http.js';

it.each(['/livez', '/v1/topics', '/v1/events/stream?topic=a'])(
  'requests for %s that wait behind another end with their connection, and hold nothing any more',
  async (path) => {
    const budgets = new Budgets();
    const { app, port, endpoint } = await openHttp({ budgets });
    const client = connect(port);
    const ask = (target: string) => `GET ${target} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`;
    client.write(ask('/v1/events/stream?topic=*') + ask(path).repeat(20));
    const streams = () => endpoint.subscriptions.size;
    await until('the stream is open', () => streams() > 0 && app.pending === 21);
    client.destroy();
    await until('nothing is held for its requests', () => app.pending + budgets.size === 0);
    expect(streams()).toBe(0);
  },
);
