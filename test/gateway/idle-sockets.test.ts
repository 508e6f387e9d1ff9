import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { IdleSockets } from '../../src/gateway/idle-sockets.js';

let port = 1;

class FakeSocket extends EventEmitter {
  readonly remoteAddress = '192.0.2.1';
  readonly remotePort = port++;
  destroyed = false;

  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }
}

function enter(sockets: IdleSockets): Socket & FakeSocket {
  const socket = new FakeSocket() as unknown as Socket & FakeSocket;
  sockets.enter(socket);
  return socket;
}

function ask(sockets: IdleSockets, socket: Socket): ServerResponse {
  const response = new EventEmitter() as ServerResponse;
  sockets.ask(socket, response);
  return response;
}

describe('the sockets of a server that is full', () => {
  it('are cut for those that come, the one first that has been idle for longest', () => {
    const sockets = new IdleSockets(2);
    const [first, second] = [enter(sockets), enter(sockets)];
    ask(sockets, first).emit('close');
    const third = enter(sockets);
    expect([first, second, third].map(({ destroyed }) => destroyed)).toEqual([false, true, false]);
    expect(sockets.size).toBe(2);
  });

  it('stay while they wait for an answer, or are WebSockets', () => {
    const sockets = new IdleSockets(3);
    const [asking, upgraded, idle] = [enter(sockets), enter(sockets), enter(sockets)];
    const [one, two] = [ask(sockets, asking), ask(sockets, asking)];
    sockets.forget(upgraded);
    one.emit('close');
    enter(sockets);
    expect([asking, upgraded, idle].map(({ destroyed }) => destroyed)).toEqual([
      false,
      false,
      true,
    ]);
    two.emit('close');
    enter(sockets);
    enter(sockets);
    expect([asking, upgraded].map(({ destroyed }) => destroyed)).toEqual([true, false]);
  });

  it('leave no room where all of them are in use', () => {
    const sockets = new IdleSockets(1);
    ask(sockets, enter(sockets));
    expect(enter(sockets).destroyed).toBe(true);
    expect(sockets.size).toBe(1);
  });

  it('give their places back when they close', () => {
    const sockets = new IdleSockets(1);
    const socket = enter(sockets);
    socket.destroy();
    ask(sockets, socket).emit('close');
    expect(sockets.size).toBe(0);
    expect(enter(sockets).destroyed).toBe(false);
  });
});
