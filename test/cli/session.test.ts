import { afterEach, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { Session } from '../../src/cli/session.js';
import { NO_SINKS } from '../../src/protocol/sink-list.js';
import { until } from '../bus/support/wait.js';
import { send, WrongServer, wireEvent } from '../client/support/wrong-server.js';

/** A command's session, with a server that a test speaks for. */

const settings = (server: WrongServer) => ({ server: server.url, timeout: 20_000 });

/** More than the kernel keeps for two sockets. */
const FRAMES = 300;
const FRAME_LENGTH = 128 * 1024;

function sendList(socket: WebSocket, requestId: unknown): void {
  for (let n = 1; n <= FRAMES; n++) {
    const events = [wireEvent(n, { payload: 'x'.repeat(FRAME_LENGTH) })];
    const more = n < FRAMES ? { more: true } : {};
    send(socket, { type: 'result', requestId, payload: { events, ...more } });
  }
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('a long list', () => {
  it('is read no faster than the command takes it', async () => {
    const server = await WrongServer.start();
    server.script = ({ type, requestId }, socket) => {
      if (type === 'query') sendList(socket, requestId);
      return type === 'query';
    };
    const pausing = vi.spyOn(WebSocket.prototype, 'pause');
    const session = await Session.open(settings(server));
    const events = session.query({ topic: '*' });
    expect((await events.next()).value).toMatchObject({ sequence: 1 });
    await until('the session reads no further', () => pausing.mock.calls.length > 0);
    expect(server.sockets[0]!.bufferedAmount).toBeGreaterThan((FRAMES * FRAME_LENGTH) / 2);
    let last = 1;
    for await (const { sequence } of events) {
      expect(sequence).toBe(++last);
    }
    expect(last).toBe(FRAMES);
    session.close();
  });

  it('that is left early does not hold up the next request', async () => {
    const server = await WrongServer.start();
    server.script = ({ type, requestId }, socket) => {
      if (type === 'query') sendList(socket, requestId);
      if (type === 'stats') send(socket, { type: 'result', requestId, payload: { stats: {} } });
      return type === 'query' || type === 'stats';
    };
    const session = await Session.open(settings(server));
    for await (const { sequence } of session.query({ topic: '*' })) if (sequence === 3) break;
    expect(await session.stats()).toEqual({ sinks: NO_SINKS });
    session.close();
  });
});

describe('a malformed answer of the server', () => {
  it('is a failure of the server, not wrong usage', async () => {
    const server = await WrongServer.start();
    server.script = ({ type, requestId }, socket) => {
      if (type === 'stats') send(socket, { type: 'pong', requestId, payload: {} });
      return type === 'stats';
    };
    const session = await Session.open(settings(server));
    await expect(session.stats()).rejects.toMatchObject({
      name: 'CommandFailure',
      exitCode: 1,
      message: expect.stringContaining('pong is no answer to stats'),
    });
  });
});

describe('a session that has ended', () => {
  it('refuses every request, and says why', async () => {
    const server = await WrongServer.start();
    server.script = ({ type }, socket) => {
      if (type === 'backup') socket.close(1001, 'the server is stopping');
      return type === 'backup';
    };
    const session = await Session.open(settings(server));
    const reason = /was lost: the server is stopping$/;
    await expect(session.requestWithoutTimeout('backup', { dir: '/x' })).rejects.toThrow(reason);
    await expect(session.lost).rejects.toThrow(reason);
    await expect(session.stats()).rejects.toThrow(reason);
    const closed = await Session.open(settings(server));
    const pending = closed.requestWithoutTimeout('prune', { maxEvents: 1 });
    closed.close();
    await expect(pending).rejects.toThrow(/is closed$/);
  });
});
