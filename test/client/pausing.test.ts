import { expect, test } from 'vitest';
import { Connection } from '../../src/client/connection.js';
import { openSocket } from '../../src/client/node-socket.js';
import { parseConnectOptions } from '../../src/client/options.js';
import type { BusError } from '../../src/protocol/errors.js';
import { WrongServer } from './support/wrong-server.js';

/** A connection that is not read from for a while. */

interface Opened {
  readonly connection: Connection;
  readonly ended: Promise<BusError>;
  readonly isOver: () => boolean;
}

async function open(server: WrongServer): Promise<Opened> {
  let error: BusError | undefined;
  const options = parseConnectOptions(server.url, { heartbeatMs: 40 });
  return new Promise((resolve) => {
    const ended = new Promise<BusError>((onEnded) => {
      const connection = new Connection(openSocket, options, {
        onReady: () => resolve({ connection, ended, isOver: () => error !== undefined }),
        onFrame: () => {},
        onEnd: (why) => {
          error = why;
          onEnded(why);
        },
      });
    });
  });
}

test('a paused connection is not cut for the silence that pausing causes', async () => {
  const server = await WrongServer.start();
  // It hears every ping and answers none.
  server.script = ({ type }) => type === 'ping';
  const paused = await open(server);
  paused.connection.pause();
  // Each of these lives as long as a silence may last.
  for (let n = 0; n < 3; n++) {
    const { ended } = await open(server);
    expect((await ended).message).toContain('was silent for too long');
  }
  expect(paused.isOver()).toBe(false);
  paused.connection.resume();
  expect((await paused.ended).message).toContain('was silent for too long');
});
