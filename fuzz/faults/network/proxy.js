import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setTimeout as pass } from 'node:timers/promises';

/**
 * A TCP proxy whose network fails as a script says. It carries bytes in both directions and holds no more of them than a
 * chunk each way, so that back-pressure passes through it. Its conditions may be changed at any time, for connections that
 * are open too:
 *
 * | condition | meaning |
 * | --- | --- |
 * | `latencyMs` | each chunk comes later by so much |
 * | `bytesPerSecond` | no more than that passes in each direction |
 * | `dripBytes` | so many bytes pass at a time, and then nothing for 10 ms |
 * | `isBlackhole` | nothing passes, and nobody is told: what was sent arrives if this ends |
 * | `resetAfter` | each connection is reset once so many more bytes have passed, in the middle of a chunk |
 * | `connectDelaysMs` | the next connections wait so long before they reach the server, in turn: a later one overtakes |
 * | `refuses` | new connections are closed at once |
 *
 * `cutHalf` lets one side of all open connections vanish, while the other is told nothing.
 */
const DRIP_MS = 10;
const CLEAN = Object.freeze({
  latencyMs: 0,
  bytesPerSecond: Number.POSITIVE_INFINITY,
  dripBytes: Number.POSITIVE_INFINITY,
  isBlackhole: false,
  resetAfter: Number.POSITIVE_INFINITY,
  connectDelaysMs: [],
  refuses: false,
});

export class FaultyProxy {
  /** How many bytes have passed. */
  bytes = 0;
  /** How many connections there ever were. */
  accepted = 0;
  conditions = { ...CLEAN };
  port = 0;
  #target;
  #server;
  #connections = new Set();
  /** Sockets of which the other half is gone. They stay open until their owners or `close` end them. */
  #halves = new Set();
  #opened = deferred();

  /** @param {number} [target] the port of the server; may be set later */
  constructor(target) {
    this.#target = target;
    this.#server = createServer((client) => void this.#accept(client));
  }

  set target(port) {
    this.#target = port;
  }

  get open() {
    return this.#connections.size;
  }

  async listen(host = '127.0.0.1') {
    this.#server.listen(0, host);
    await once(this.#server, 'listening');
    this.port = /** @type {import('node:net').AddressInfo} */ (this.#server.address()).port;
    return this;
  }

  /** Changes the conditions; those that are not named are clean. */
  become(conditions = {}) {
    this.conditions = { ...CLEAN, ...conditions };
    for (const connection of this.#connections) connection.left = this.conditions.resetAfter;
    if (this.conditions.isBlackhole) return;
    this.#opened.resolve();
    this.#opened = deferred();
  }

  /** Resolves when what waits in a blackhole may pass. */
  get passage() {
    return this.#opened.promise;
  }

  /** Lets the server's or the client's side of all connections vanish, without a word to the other. */
  cutHalf(side) {
    let cut = 0;
    for (const connection of this.#connections) {
      const half = connection.cutHalf(side);
      if (half === undefined) continue;
      cut++;
      this.#halves.add(half);
      half.once('close', () => this.#halves.delete(half));
    }
    return cut;
  }

  /** Resets all connections. */
  reset() {
    for (const connection of this.#connections) connection.reset();
  }

  async close() {
    this.#server.close();
    for (const connection of this.#connections) connection.destroy();
    for (const half of this.#halves) half.destroy();
  }

  async #accept(client) {
    this.accepted++;
    client.on('error', () => {});
    const { refuses, connectDelaysMs } = this.conditions;
    if (refuses || this.#target === undefined) {
      client.destroy();
      return;
    }
    const delayMs = connectDelaysMs[this.accepted % Math.max(1, connectDelaysMs.length)] ?? 0;
    if (delayMs > 0) await pass(delayMs);
    if (client.destroyed) return;
    const connection = new Connection(this, client, connect(this.#target, '127.0.0.1'));
    this.#connections.add(connection);
    await connection.carry();
    this.#connections.delete(connection);
  }
}

/** A connection through the proxy. */
class Connection {
  left;
  #proxy;
  #client;
  #server;
  #end = new AbortController();
  #isCutHalf = false;

  constructor(proxy, client, server) {
    this.#proxy = proxy;
    this.#client = client;
    this.#server = server;
    this.left = proxy.conditions.resetAfter;
    server.on('error', () => {});
    client.setNoDelay(true);
    server.setNoDelay(true);
  }

  /** Carries bytes until both directions have ended, or one side has failed. */
  async carry() {
    await Promise.all([
      this.#carry(this.#client, this.#server),
      this.#carry(this.#server, this.#client),
    ]);
    if (!this.#isCutHalf) this.destroy();
  }

  /** @returns the socket that stays */
  cutHalf(side) {
    if (this.#isCutHalf) return undefined;
    this.#isCutHalf = true;
    const gone = side === 'server' ? this.#server : this.#client;
    const left = side === 'server' ? this.#client : this.#server;
    left.pause();
    this.#end.abort();
    gone.destroy();
    return left;
  }

  reset() {
    this.#end.abort();
    this.#client.resetAndDestroy();
    this.#server.resetAndDestroy();
  }

  destroy() {
    this.#end.abort();
    this.#client.destroy();
    this.#server.destroy();
  }

  async #carry(from, to) {
    try {
      const chunks = from.iterator({ destroyOnReturn: false });
      for await (const chunk of chunks) {
        await this.#pass(chunk, to);
        if (this.#end.signal.aborted) return;
      }
      to.end();
    } catch {
      if (!this.#isCutHalf) this.destroy();
    }
  }

  async #pass(chunk, to) {
    const { signal } = this.#end;
    const proxy = this.#proxy;
    let rest = chunk;
    while (rest.length > 0) {
      while (proxy.conditions.isBlackhole) await abortable(proxy.passage, signal);
      const { latencyMs, bytesPerSecond, dripBytes } = proxy.conditions;
      const piece = rest.subarray(0, Math.min(rest.length, dripBytes, this.left));
      rest = rest.subarray(piece.length);
      if (latencyMs > 0) await pass(latencyMs, undefined, { signal });
      if (dripBytes < Number.POSITIVE_INFINITY) await pass(DRIP_MS, undefined, { signal });
      if (bytesPerSecond < Number.POSITIVE_INFINITY) {
        await pass((piece.length / bytesPerSecond) * 1000, undefined, { signal });
      }
      proxy.bytes += piece.length;
      this.left -= piece.length;
      if (piece.length > 0 && !to.write(piece)) await once(to, 'drain', { signal });
      if (this.left <= 0) this.reset();
      if (signal.aborted) return;
    }
  }
}

function deferred() {
  let resolve;
  const promise = new Promise((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

function abortable(promise, signal) {
  if (signal.aborted) return Promise.reject(signal.reason);
  return Promise.race([promise, once(signal, 'abort').then(() => Promise.reject(signal.reason))]);
}
