import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { BroadcastChannel, isMainThread, threadId } from 'node:worker_threads';
import { Random } from '../../storage/random.js';
import { partOfThread } from './part-of-thread.js';
import { points } from './points.js';

/**
 * Lets the parts of a subject die. Every thread of the subject loads it first (`--import` in `NODE_OPTIONS`, with
 * `FUZZ_DEATHS`), and each draws its death from the seed and from how often its part has died: the point, the hit, and
 * the way. It dies only while the file `armed` is there.
 *
 * | way | how |
 * | --- | --- |
 * | `throw` | the point throws an error |
 * | `crash` | a turn of the event loop throws one, just behind the point |
 * | `exit` | the thread ends itself, without a word |
 * | `terminate` | the main thread terminates it, while it stands at the point |
 * | `memory` | its heap is filled until Node ends it |
 *
 * A line of `deaths.jsonl` is `[at, part, point, way]`; `[at, part, 'works']` is the first commit of a shard's thread,
 * or the moment from which a gateway listens.
 */
const settings = process.env.FUZZ_DEATHS;

/** A heap that is filled at one go ends the whole process on Node 24 and later, not the thread alone. */
const memory = Number(process.versions.node.split('.')[0]) < 24 ? 1 : 0;
const WAYS = {
  shard: { throw: 4, exit: 2, terminate: 3, memory },
  gateway: { crash: 3, exit: 2, terminate: 3, memory },
  reader: { crash: 3, exit: 2, terminate: 3, memory },
  worker: { crash: 3, exit: 2, terminate: 3, memory },
  main: { throw: 1 },
};
/**
 * The ways in a process that has to last. Node ends the whole process for one of twenty threads whose heap is full, and
 * for a gateway's thread that ends amid its parsing of a request (`v8::ToLocalChecked` below `llhttp__internal_execute`).
 */
const LASTING_WAYS = {
  ...WAYS,
  shard: { ...WAYS.shard, memory: 0 },
  gateway: { crash: 1 },
  reader: { ...WAYS.reader, memory: 0 },
  worker: { ...WAYS.worker, memory: 0 },
};
const PARTS_OF = {
  shard: ['shard'],
  gateway: ['gateway', 'endpoint'],
  reader: ['reader'],
  worker: ['endpoint', 'handler'],
  main: ['handler'],
};
/** A supervisor gives up a part that dies again and again before it has done anything: one death of so many is early. */
const EARLY_EVERY = 4;
/** So long a gateway has to listen until its death counts as one of a thread that worked, ms. */
const GATEWAY_LIFE_MS = 1300;
const HITS_MAX = 40;
/** A handler in the main thread is called for every event. */
const MAIN_HITS_MAX = 4000;
/** A point that was not reached for so long is given up for another, ms. */
const PATIENCE_MS = 1500;
const LOOK_MS = 50;
/** The heap of a thread that may fill it, MiB. */
const HEAP_MIB = 96;
/** How long a thread stands at its point until it is terminated, ms. */
const STAND_MS = 20_000;
const CHANNEL = 'fuzz-deaths';
/** The code of the error, with which the subscription of a handler ends. */
const DIED = 'PART_DIED';

class Doom {
  #part;
  #kind;
  #ways;
  #folder;
  #random;
  #mayBeEarly;
  #works;
  #worksAt = Number.POSITIVE_INFINITY;
  #name;
  #hits = 0;
  #way;
  #givesUpAt = 0;
  #looksAt = 0;

  constructor({ folder, seed, mustLast }, { part, kind, isFirst }) {
    this.#part = part;
    this.#kind = kind;
    this.#ways = (mustLast ? LASTING_WAYS : WAYS)[kind];
    this.#folder = folder;
    const count = deathsOf(folder, part);
    this.#random = new Random(seed ^ hashOf(part) ^ Math.imul(count + 1, 0x9e3779b1));
    this.#mayBeEarly = !isFirst && count % EARLY_EVERY === 1;
    // What a supervisor takes for progress: a commit, or a life of some length.
    this.#works = { shard: 'shard.settled', gateway: 'gateway.listening' }[kind];
    if (this.#works === undefined) this.#worksAt = 0;
    this.#draw(this.#mayBeEarly);
  }

  /** The thread is at a point. */
  hit(name) {
    const now = performance.now();
    if (name === this.#works && this.#worksAt === Number.POSITIVE_INFINITY) {
      this.#worksAt = now + (this.#kind === 'gateway' ? GATEWAY_LIFE_MS : 0);
      this.#note(this.#part, 'works');
    }
    if (name === this.#name && this.#mayDie(name, now) && --this.#hits <= 0) this.#die(name, now);
    else if (now > this.#givesUpAt) this.#draw(this.#mayBeEarly && this.#worksAt > now);
  }

  #mayDie(name, now) {
    return points[name].isEarly ? this.#mayBeEarly : now >= this.#worksAt;
  }

  #draw(isEarly) {
    const random = this.#random;
    const kinds = PARTS_OF[this.#kind];
    const names = Object.keys(points).filter((name) => kinds.includes(name.split('.')[0]));
    const fitting = names.filter((name) => (points[name].isEarly ?? false) === isEarly);
    this.#name = random.pick(fitting.length > 0 ? fitting : names);
    this.#hits = 1 + random.below(this.#kind === 'main' ? MAIN_HITS_MAX : HITS_MAX);
    if (isEarly) this.#hits = 1;
    this.#way = random.pickWeighted(this.#ways);
    const patience = this.#kind === 'main' ? Number.POSITIVE_INFINITY : PATIENCE_MS;
    this.#givesUpAt = performance.now() + patience;
  }

  #die(name, now) {
    if (now < this.#looksAt) return;
    this.#looksAt = now + LOOK_MS;
    if (!existsSync(join(this.#folder, 'armed'))) return;
    const way = this.#way;
    this.#note(this.#part, name, way);
    this.#draw(false);
    if (way === 'exit') process.exit(1);
    if (way === 'terminate') standStill();
    if (way === 'memory') fillHeap();
    const error = Object.assign(new Error(`${this.#part} dies at ${name}`), { code: DIED });
    if (way === 'throw') throw error;
    setImmediate(() => {
      throw error;
    });
  }

  #note(...line) {
    const file = openSync(join(this.#folder, 'deaths.jsonl'), 'a', 0o600);
    writeSync(file, `${JSON.stringify([Number(process.hrtime.bigint()), ...line])}\n`);
    closeSync(file);
  }
}

/** How often the part has died. */
function deathsOf(folder, part) {
  const file = join(folder, 'deaths.jsonl');
  if (!existsSync(file)) return 0;
  const text = readFileSync(file, 'utf8');
  const count = (what) => text.split(what).length - 1;
  return count(`"${part}","`) - count(`"${part}","works"`);
}

/** Asks the main thread for an end, and goes no further. */
function standStill() {
  const channel = new BroadcastChannel(CHANNEL);
  channel.unref();
  channel.postMessage(threadId);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, STAND_MS);
}

/** Fills the heap with small objects: long arrays would end the whole process. */
function fillHeap() {
  const heap = [];
  for (;;) heap.push({ at: heap.length, more: { at: heap.length } });
}

function hashOf(text) {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}

/** Keeps the main thread's workers, to terminate those that ask for it, and bounds their heaps. */
function watchWorkers() {
  const threads = createRequire(import.meta.url)('node:worker_threads');
  const running = new Map();
  threads.Worker = class extends threads.Worker {
    constructor(file, options = {}) {
      const resourceLimits = { maxOldGenerationSizeMb: HEAP_MIB, ...options.resourceLimits };
      super(file, { ...options, resourceLimits });
      const { threadId: id } = this;
      running.set(id, this);
      this.once('exit', () => running.delete(id));
    }
  };
  syncBuiltinESMExports();
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = ({ data }) => void running.get(data)?.terminate();
  channel.unref();
}

if (settings !== undefined) {
  if (isMainThread) watchWorkers();
  const part = partOfThread();
  if (part !== undefined) {
    const doom = new Doom(JSON.parse(settings), part);
    globalThis.__point = (name) => doom.hit(name);
  }
}
