import { EventEmitter } from 'node:events';
import { Actor } from './actors.js';
import { clone } from './clone.js';
import { SimulatedDeath } from './deaths.js';
import { VirtualGateway } from './gateways.js';
import { VirtualPort } from './ports.js';
import { world } from './world.js';

/**
 * `Worker` of `node:worker_threads`: an actor that runs the same code as the thread's entry does, one turn of a shard's
 * loop or one task of a reader's event loop at a time.
 */
/** @type {any} */
let bodies;

/** @param classes what the entries of threads use, of the build under test */
export function setBodies(classes) {
  bodies = classes;
}

export class VirtualWorker extends EventEmitter {
  #actor;
  #parent;
  /** @type {(mail: any) => void} */
  #onMail = () => {};
  #isOver = false;
  /** @type {((code: number) => void)[]} */
  #waiters = [];

  constructor(url, { workerData, transferList = [], name }) {
    super();
    const here = world();
    here.point('worker');
    this.#parent = here.current;
    this.threadId = here.count();
    const actor = here.add(new Actor(name ?? `thread-${this.threadId}`));
    this.#actor = actor;
    actor.weight = here.choices.weight(actor.name);
    actor.onEnd = () => this.#ended();
    const data = clone(workerData, transferList);
    for (const port of transferList) if (port instanceof VirtualPort) port.take(actor);
    const { pathname } = url;
    if (pathname.endsWith('/shard-thread.js')) actor.events.push(() => this.#runShard(data));
    else if (pathname.endsWith('/reader-thread.js')) actor.events.push(() => this.#runReader(data));
    else if (pathname.endsWith('/gateway-thread.js'))
      actor.events.push(() => this.#runGateway(data));
    else throw new Error(`the simulation has no thread for ${pathname}`);
  }

  /** As `shard-thread.ts` does. */
  #runShard(data) {
    const life = new bodies.ShardLife(data);
    const actor = this.#actor;
    const end = () => world().kill(actor);
    // What awaits promises is a step of its own, which is never amid another thread's step.
    const after = (work) => {
      actor.step = undefined;
      actor.events.push(work);
    };
    const fail = (error) => {
      if (error instanceof SimulatedDeath || actor.isDead) return end();
      return life.fail(error).then(end, end);
    };
    life.begin().then((run) => {
      const wait = run.waitStrategy();
      actor.step = () => {
        try {
          if (!run.isDone) return run.step(wait);
        } catch (error) {
          if (actor.isUnwinding || actor.isDead) throw error;
          return after(() => fail(error));
        }
        return after(() => life.end().then(end, fail));
      };
    }, fail);
  }

  /** As `reader-thread.ts` does. */
  #runReader(data) {
    const actor = this.#actor;
    const reader = new bodies.Reader(data, {
      notify: (notice) => this.#tell('message', clone(notice, [])),
      exit: () => world().kill(actor),
    });
    this.#onMail = (mail) => {
      const isUsed = [...actor.ports].some(({ peer }) => peer?.isClosed === false);
      if (mail.mail === 'stop' && isUsed) world().onUsedReaderStopped();
      reader.take(mail);
    };
  }

  /** As `gateway-thread.ts` does. */
  #runGateway(data) {
    const gateway = new VirtualGateway(bodies, data, {
      report: (message) => this.#tell('message', clone(message, [])),
      exit: () => world().kill(this.#actor),
    });
    this.#onMail = (order) => gateway.obey(order);
  }

  postMessage(value, transferList = []) {
    const here = world();
    here.point('post');
    if (here.isMute()) return;
    const mail = clone(value, transferList);
    if (this.#isOver) {
      // Nobody will take the ports.
      for (const port of transferList) if (port instanceof VirtualPort) port.shut();
      return;
    }
    for (const port of transferList) if (port instanceof VirtualPort) port.take(this.#actor);
    this.#actor.events.push(() => this.#onMail(mail));
  }

  /** Resolves when the thread has ended. */
  terminate() {
    const over = new Promise((resolve) => {
      if (this.#isOver) resolve(1);
      else this.#waiters.push(resolve);
    });
    world().kill(this.#actor);
    return over;
  }

  get actor() {
    return this.#actor;
  }

  ref() {}
  unref() {}

  #ended() {
    this.#isOver = true;
    this.#tell('exit', 0);
    for (const resolve of this.#waiters) this.#parent.events.push(() => resolve(1));
  }

  #tell(name, value) {
    this.#parent.events.push(() => this.emit(name, value));
  }
}
