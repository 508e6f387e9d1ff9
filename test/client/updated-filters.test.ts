import { expect, test } from 'vitest';
import { until } from '../bus/support/wait.js';
import { connectTo } from './support/millrace-client.js';
import { cursorAt, eventsFrame, send, WrongServer } from './support/wrong-server.js';

/** Where a subscription goes on after its filter was changed and its connection lost. */

/** A server that has passed over everything up to `position` when it changes a filter. */
async function serverAt(position: number): Promise<WrongServer> {
  const server = await WrongServer.start();
  server.script = ({ type, requestId, payload }, socket) => {
    if (type !== 'update') return false;
    const { subscription } = payload;
    const answer = { subscription, cursor: cursorAt(position), epoch: 'e1' };
    send(socket, { type: 'subscribed', requestId, payload: answer });
    return true;
  };
  return server;
}

test('a changed filter begins, over the next connection, where the server had changed it', async () => {
  const server = await serverAt(40);
  const { client } = connectTo(server.url);
  const subscription = client.subscribe('a', () => {});
  await subscription.ready;
  await subscription.update('*');
  expect(subscription.cursor).toBe(cursorAt(40));
  server.sockets[0]!.terminate();
  await until('it is opened again', () => server.count('subscribe') === 2);
  const [, again] = server.asked.filter(({ type }) => type === 'subscribe');
  expect(again!.payload.from).toEqual({ after: cursorAt(40) });
  expect(again!.payload.filter.topics).toEqual(['*']);
});

test('a changed filter moves the position only behind the events that wait', async () => {
  const server = await serverAt(40);
  const { client } = connectTo(server.url);
  const subscription = client.subscribe('a', { maxBuffer: 100 });
  await subscription.ready;
  send(server.sockets[0]!, eventsFrame(subscription.id, 1, 2, 3));
  await until('all have come', () => subscription.pending === 3);
  await subscription.update('*');
  const events = subscription[Symbol.asyncIterator]();
  for (let n = 0; n < 3; n++) await events.next();
  expect(subscription.cursor).toBe(cursorAt(2));
  void events.next();
  await until('all are consumed', () => subscription.cursor === cursorAt(40));
});

test('an answer that lies before what has come does not move the position back', async () => {
  const server = await serverAt(1);
  const { client } = connectTo(server.url);
  const subscription = client.subscribe('a', () => {});
  await subscription.ready;
  send(server.sockets[0]!, eventsFrame(subscription.id, 1, 2, 3));
  await until('all are consumed', () => subscription.cursor === cursorAt(3));
  await subscription.update('*');
  expect(subscription.cursor).toBe(cursorAt(3));
});

test('any number of changes takes one place behind the events that wait', async () => {
  const server = await serverAt(40);
  const { client } = connectTo(server.url);
  // A client cuts a connection that sends more than twice the window and 1,024 marks.
  const subscription = client.subscribe('a', { maxBuffer: 1 });
  await subscription.ready;
  send(server.sockets[0]!, eventsFrame(subscription.id, 1));
  await until('it has come', () => subscription.pending === 1);
  for (let n = 0; n < 1100; n++) await subscription.update(`a.${n}`);
  send(server.sockets[0]!, eventsFrame(subscription.id, 41));
  await until('the second has come', () => subscription.pending === 2);
  expect(server.connections).toBe(1);
});
