import { connect } from 'millrace/client';
import { handlerOf } from './member.js';

/**
 * A member in a page: `?server=…&diary=…&concurrency=…&name=…`. Its diary is kept by the game's process, over a
 * WebSocket: a line is answered once it is in the file, and the handler waits for that answer. So nothing is said of an
 * event whose beginning is not written down.
 */
async function work() {
  const { server, diary, concurrency, name } = Object.fromEntries(
    new URLSearchParams(globalThis.location.search),
  );
  const socket = new WebSocket(diary);
  /** @type {(() => void)[]} */
  const waiting = [];
  socket.onmessage = () => waiting.shift()?.();
  await new Promise((resolve) => {
    socket.onopen = resolve;
  });
  const write = (line) =>
    new Promise((resolve) => {
      waiting.push(() => resolve(undefined));
      socket.send(JSON.stringify(line));
    });

  await write(['start']);
  const bus = connect(server, {
    reconnectBaseMs: 50,
    reconnectFloorMs: 10,
    reconnectMaxMs: 500,
    // However long the server is away, the member comes.
    requestTimeoutMs: 0,
  });
  bus.on('state', ({ state }) => void write(['state', state]));
  const consumer = await bus.consumer('jobs');
  const run = consumer.run(handlerOf(write), { concurrency: Number(concurrency), name });
  run.closed.catch((error) => write(['failed', String(error)]));
  const endGame = async () => {
    await run.drain();
    await bus.close();
    await write(['end']);
  };
  Object.assign(globalThis, { endGame });
}

void work();
