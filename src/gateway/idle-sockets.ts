import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Makes room among the sockets of a server. A socket that asks for nothing takes a place and costs its owner nothing: so
 * where there are too many, the one that has been idle for longest is cut for the one that comes. A socket is idle until
 * its first request, also while its TLS or the head of that request is under way, and between two requests. One thread.
 */
export class IdleSockets {
  readonly #socketsMax: number;
  readonly #sockets = new Map<string, Entry>();
  /** Those that are idle; the one that has been for longest comes first. */
  readonly #idle = new Set<Entry>();

  constructor(socketsMax: number) {
    this.#socketsMax = socketsMax;
  }

  get size(): number {
    return this.#sockets.size;
  }

  enter(socket: Socket): void {
    const key = keyOf(socket);
    // It has gone already.
    if (key === undefined) return;
    if (this.#sockets.size >= this.#socketsMax) this.#cutOne(socket);
    if (socket.destroyed) return;
    const entry = { socket, requests: 0 };
    this.#sockets.set(key, entry);
    this.#idle.add(entry);
    socket.once('close', () => this.#drop(key, entry));
  }

  /** A request has come. */
  ask(socket: Socket, response: ServerResponse): void {
    const entry = this.#entryOf(socket);
    if (entry === undefined) return;
    entry.requests++;
    this.#idle.delete(entry);
    response.once('close', () => {
      if (--entry.requests === 0 && !entry.socket.destroyed) this.#idle.add(entry);
    });
  }

  /** The socket is another protocol's from now on, and never idle. */
  forget(socket: Socket): void {
    const entry = this.#entryOf(socket);
    if (entry === undefined) return;
    entry.requests++;
    this.#idle.delete(entry);
  }

  /** Cuts the one that has been idle for longest, or where there is none the one that comes. */
  #cutOne(coming: Socket): void {
    const [longest] = this.#idle;
    if (longest === undefined) {
      coming.destroy();
      return;
    }
    this.#drop(keyOf(longest.socket), longest);
    longest.socket.destroy();
  }

  #drop(key: string | undefined, entry: Entry): void {
    this.#idle.delete(entry);
    // Another socket may have the same key by then.
    if (key !== undefined && this.#sockets.get(key) === entry) this.#sockets.delete(key);
  }

  #entryOf(socket: Socket): Entry | undefined {
    const key = keyOf(socket);
    return key === undefined ? undefined : this.#sockets.get(key);
  }
}

interface Entry {
  readonly socket: Socket;
  /** Requests that are not answered yet. */
  requests: number;
}

/** With TLS a request names another object than the socket that was accepted; their other end is the same. */
function keyOf({ remoteAddress, remotePort }: Socket): string | undefined {
  return remoteAddress === undefined ? undefined : `${remoteAddress} ${remotePort}`;
}
