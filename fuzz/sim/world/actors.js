import { SimulatedDeath } from './deaths.js';

/**
 * An actor stands for a thread: one that lives on an event loop (an endpoint, a reader, a gateway, a client) or one that
 * blocks (a shard). It holds what is ready to run in it. The scheduler runs one thing at a time, and everything that the
 * product makes meanwhile (timers, ports, databases, descriptors) belongs to the actor that runs.
 */
export class Actor {
  isDead = false;
  /** A client, which lives elsewhere: it outlives the process of the bus. */
  isRemote = false;
  /** Set while a thread that parked, or died, unwinds its stack: it does nothing any more. */
  isUnwinding = false;
  /** How likely it is chosen, against the others. */
  weight = 1;
  /** @type {(() => void) | undefined} set for a thread that blocks: one step of it */
  step;
  /** @type {any} where it is parked: the array, the index, and until when */
  parked;
  /** @type {Set<any>} */
  timers = new Set();
  /** @type {any[]} */
  immediates = [];
  // Anything else that an event loop would call: ends of threads, sockets.
  /** @type {(() => unknown)[]} */
  events = [];
  /** @type {Set<any>} */
  ports = new Set();
  /** @type {Set<any>} */
  databases = new Set();
  /** @type {Set<number>} */
  descriptors = new Set();
  /** Called once it is buried. */
  onEnd = () => {};
  /** Called after each step of an event loop. */
  onStep = () => {};

  constructor(name) {
    this.name = name;
  }

  assertAlive() {
    if (this.isDead) throw new SimulatedDeath(this.name);
  }
}
