import { EventEmitter } from 'node:events';
import { clone } from './clone.js';
import { world } from './world.js';

/**
 * Message ports whose messages arrive when the scheduler chooses. The messages of one port keep their order; a closing
 * comes behind them. A port belongs to the actor that made it or received it.
 */
const CLOSING = Symbol('closing');

export class VirtualPort extends EventEmitter {
  /** @type {any[]} */
  queue = [];
  /** @type {any} */
  owner;
  /** @type {any} */
  peer;
  isStarted = false;
  isClosed = false;

  constructor() {
    super();
    this.setMaxListeners(0);
    this.take(world().current);
  }

  /** The port belongs to this actor from now on. */
  take(actor) {
    this.owner?.ports.delete(this);
    this.owner = actor;
    actor?.ports.add(this);
  }

  /** @param {unknown} value @param {any} transfer */
  postMessage(value, transfer = []) {
    const here = world();
    here.point('post');
    if (this.isClosed || here.isMute()) return;
    const list = Array.isArray(transfer) ? transfer : (transfer?.transfer ?? []);
    const message = clone(value, list);
    const ports = list.filter((one) => one instanceof VirtualPort);
    for (const port of ports) port.take(undefined);
    const { peer } = this;
    if (peer === undefined || peer.isClosed) for (const port of ports) port.shut();
    else peer.queue.push({ message, ports });
  }

  /** True if the event loop would call a listener of this port. */
  get isReady() {
    if (this.isClosed || this.queue.length === 0) return false;
    return this.isStarted || this.queue[0] === CLOSING;
  }

  /** The event loop takes the next message. */
  deliver() {
    const next = this.queue.shift();
    if (next === CLOSING) this.end();
    else this.emit('message', this.receive(next));
  }

  receive({ message, ports }) {
    for (const port of ports) port.take(this.owner);
    return message;
  }

  start() {
    this.isStarted = true;
  }

  close() {
    if (world().isMute()) return;
    this.shut();
  }

  /** Closes both ends: this one at once, the other one behind the messages that are on their way to it. */
  shut() {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const one of this.queue.splice(0)) {
      if (one !== CLOSING) for (const port of one.ports) port.shut();
    }
    const { owner } = this;
    owner?.events.push(() => this.emit('close'));
    owner?.ports.delete(this);
    if (this.peer?.isClosed === false) this.peer.queue.push(CLOSING);
  }

  end() {
    this.isClosed = true;
    this.owner?.ports.delete(this);
    this.emit('close');
  }

  /** @override */
  on(name, listener) {
    super.on(name, listener);
    if (name === 'message') this.start();
    return this;
  }

  ref() {}
  unref() {}
  hasRef() {
    return false;
  }
}

export class VirtualChannel {
  port1 = new VirtualPort();
  port2 = new VirtualPort();

  constructor() {
    this.port1.peer = this.port2;
    this.port2.peer = this.port1;
  }
}

/** `receiveMessageOnPort` of virtual ports. */
export function receive(port) {
  world().point('receive');
  if (port.isClosed || port.queue.length === 0 || port.queue[0] === CLOSING) return undefined;
  return { message: port.receive(port.queue.shift()) };
}
