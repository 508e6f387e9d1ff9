import { EventEmitter } from 'node:events';
import { world } from './world.js';

/**
 * A virtual network between clients and gateways: WebSockets whose messages arrive whole, in order, one by one, when the
 * scheduler chooses. Where the network cuts a connection, some of what is on its way arrives before either end learns it.
 * Both ends have the shape that the product knows from `ws`, and belong to the threads that made them.
 */
const CONNECTING = 0;
const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;
/** RFC 6455, 7.1.5: closed without a close frame. */
const ABNORMAL = 1006;

export class Network {
  /** @type {{ actor: any, accept: (end: End) => void } | undefined} */
  #listener;
  /** @type {Set<End>} the clients' ends */
  #open = new Set();

  /** Set by the game: a connection of this client is gone, which the bus may learn sooner than the client. @param {string} _client */
  onLost(_client) {}

  /** The gateway of this thread takes connections from now on. */
  listen(accept) {
    this.#listener = { actor: world().current, accept };
  }

  /** Whether a gateway does not read what has come. */
  get isHeldUp() {
    for (const { peer } of this.#open) if (peer.isStopped && peer.queue.length > 0) return true;
    return false;
  }

  /** Whether this client has a connection of which it will only learn that it is gone. */
  isGone(client) {
    for (const near of this.#open) {
      if (near.actor.name === client && (near.isLost || near.peer.isShut)) return true;
    }
    return false;
  }

  /** @param {any} socket the client's; undefined is returned if nobody listens */
  connect(socket) {
    const listener = this.#listener;
    if (listener === undefined || listener.actor.isDead) return undefined;
    const near = new End(world().current, socket);
    const far = new End(listener.actor, undefined);
    near.peer = far;
    far.peer = near;
    this.#open.add(near);
    const { name } = near.actor;
    near.onShut = () => {
      this.#open.delete(near);
      this.onLost(name);
    };
    far.onShut = () => this.onLost(name);
    listener.actor.events.push(() => listener.accept(far));
    return near;
  }

  /**
   * The network between a client and the gateway fails.
   * @param {import('../../storage/random.js').Random} random
   */
  cut(client, random) {
    for (const near of this.#open) {
      if (near.actor.name !== client) continue;
      near.lose(random);
      near.peer.lose(random);
      this.onLost(client);
      return true;
    }
    return false;
  }
}

/** One end of a connection. The scheduler sees it as a port. */
class End {
  /** @type {any[]} what is on its way to this end */
  queue = [];
  isStopped = false;
  isShut = false;
  isLost = false;
  /** @type {any} */
  peer;
  onShut = () => {};

  constructor(actor, socket) {
    this.actor = actor;
    this.socket = socket;
    actor.ports.add(this);
  }

  get isReady() {
    return !this.isShut && this.socket !== undefined && !this.isStopped && this.queue.length > 0;
  }

  /** The event loop takes the next message. */
  deliver() {
    const { kind, value, sent } = this.queue.shift();
    sent?.();
    this.socket.receive(kind, value);
  }

  /** @param {(() => void) | undefined} sent called in this thread once the other end has it, or never will */
  send(kind, value, sent) {
    const here = world();
    here.point('post');
    if (here.isMute()) return;
    const tell = sent && (() => this.actor.events.push(sent));
    if (this.isShut || this.isLost || this.peer.isShut) tell?.();
    else this.peer.queue.push({ kind, value, sent: tell });
  }

  get unsent() {
    return this.peer.queue.reduce((sum, { value }) => sum + (value?.length ?? 0), 0);
  }

  /** The connection is gone: some of what was on its way still arrives. */
  lose(random) {
    if (this.isShut || this.isLost) return;
    this.isLost = true;
    for (const { sent } of this.queue.splice(random.below(this.queue.length + 1))) sent?.();
    this.queue.push({ kind: 'gone' });
  }

  /** This end is gone, as with its thread. The other one learns it behind what is on its way to it. */
  shut() {
    if (this.isShut) return;
    this.isShut = true;
    this.actor.ports.delete(this);
    for (const { sent } of this.queue.splice(0)) sent?.();
    if (!this.peer.isShut && !this.peer.isLost) this.peer.queue.push({ kind: 'gone' });
    this.onShut();
  }
}

/** The client's socket, as `src/client/socket.ts` wants it. */
export class ClientSocket {
  /** @type {any} */
  #listener;
  /** @type {End | undefined} */
  #end;
  #state = CONNECTING;

  constructor(network, listener) {
    this.#listener = listener;
    this.#end = network.connect(this);
    if (this.#end !== undefined) return;
    const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    world().current.events.push(() => this.#over(ABNORMAL, 'no server listens there', cause));
  }

  send(text) {
    if (this.#state === OPEN) this.#end?.send('text', text, undefined);
  }

  close(code, reason) {
    this.#listener = undefined;
    if (this.#state !== OPEN) {
      this.#over(ABNORMAL, '');
      return;
    }
    this.#state = CLOSING;
    this.resume();
    this.#end?.send('close', { code, reason }, undefined);
  }

  pause() {
    if (this.#end !== undefined) this.#end.isStopped = true;
  }

  resume() {
    if (this.#end !== undefined) this.#end.isStopped = false;
  }

  receive(kind, value) {
    if (kind === 'open') {
      this.#state = OPEN;
      this.#listener?.onOpen();
    } else if (kind === 'text') this.#listener?.onText(value);
    else if (kind === 'ping') {
      this.#end?.send('pong', value, undefined);
      this.#listener?.onSign();
    } else if (kind === 'close') {
      if (this.#state === OPEN) this.#end?.send('close', value, undefined);
      this.#over(value.code, value.reason);
    } else if (kind === 'gone') this.#over(ABNORMAL, '');
  }

  /** @param {Error} [cause] */
  #over(code, reason, cause) {
    if (this.#state === CLOSED) return;
    this.#state = CLOSED;
    this.#end?.shut();
    const listener = this.#listener;
    this.#listener = undefined;
    listener?.onClose(code, reason, cause);
  }
}

/** The gateway's socket: what its sessions use of a `WebSocket` of `ws`. `stream` is what they use of its stream. */
export class ServerSocket extends EventEmitter {
  OPEN = OPEN;
  extensions = '';
  readyState = OPEN;
  stream = new EventEmitter();
  #end;

  /** @param {any} end which the network has given */
  constructor(end) {
    super();
    this.#end = end;
    end.socket = this;
    const { stream } = this;
    // As `ws` does, between the listeners by which a session measures the reading.
    stream.on('data', ({ kind, value }) => this.#take(kind, value));
    Object.assign(stream, {
      cork: () => {},
      uncork: () => {},
      write: (bytes, sent) => end.send('text', payloadOf(bytes), sent),
    });
    end.send('open', undefined, undefined);
  }

  get bufferedAmount() {
    return this.#end.unsent;
  }

  send(data, options, sent = options) {
    this.#end.send('text', data.toString(), sent);
  }

  ping() {
    this.#end.send('ping', '', undefined);
  }

  pong(data, _mask, sent) {
    this.#end.send('pong', String(data), sent);
  }

  close(code, reason) {
    if (this.readyState !== OPEN) return;
    this.readyState = CLOSING;
    this.#end.send('close', { code, reason: String(reason) }, undefined);
  }

  terminate() {
    if (this.readyState === CLOSED) return;
    this.#end.actor.events.push(() => this.#over(ABNORMAL));
    this.#end.shut();
  }

  pause() {
    this.#end.isStopped = true;
  }

  resume() {
    this.#end.isStopped = false;
  }

  receive(kind, value) {
    // A frame comes whole: for those who count bytes it is one that cannot be divided.
    this.stream.emit('data', { kind, value, length: 1 });
  }

  #take(kind, value) {
    if (kind === 'text') this.emit('message', Buffer.from(value), false);
    else if (kind === 'ping' || kind === 'pong') this.emit(kind, Buffer.from(value));
    else if (kind === 'close') {
      if (this.readyState === OPEN) this.#end.send('close', value, undefined);
      this.#over(value.code);
    } else if (kind === 'gone') this.#over(ABNORMAL);
  }

  #over(code) {
    if (this.readyState === CLOSED) return;
    this.readyState = CLOSED;
    this.#end.shut();
    this.emit('close', code, '');
  }
}

/** The text of a frame that the gateway writes to the stream itself: whole, of text, unmasked (RFC 6455, 5.2). */
function payloadOf(bytes) {
  const length = bytes[1];
  return bytes.toString('utf8', length < 126 ? 2 : length === 126 ? 4 : 10);
}
