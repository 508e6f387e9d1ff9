import { setTimeout as pass } from 'node:timers/promises';
import { appender } from './history.js';

/**
 * The nemesis injects faults into a world, one after the other, as a seed decides, and heals them. Each is one line of
 * its own history (`history.js`), with how it was done.
 *
 * ## A fault
 *
 * A fault is an object; `faults.js` has those of this folder, and others may hand in theirs (`play({ faults })`).
 *
 * @typedef {object} Fault
 * @property {string} name
 *   What `--faults` calls it.
 * @property {(random: import('../storage/random.js').Random, world: World) => Promise<string | undefined>} inject
 *   Does it. Resolves when it is done, with how it was done, in words; with `undefined` if it could not be done just
 *   now, as there was nobody to kill: then nothing is counted and nothing is healed.
 * @property {(world: World) => Promise<void>} [heal]
 *   Ends it. Called once for each `inject` that has done something, a while later, and before the next fault.
 * @property {(world: World) => Promise<void>} [prepare]
 *   Called before any process starts: sets `world.environment` (a preloaded library, another clock) or `world.route` (a
 *   proxy in front of the gateway).
 * @property {(world: World) => Promise<void>} [close]
 *   Called when all processes have ended.
 * @property {boolean} [losesPower]
 *   Events that were acknowledged as `written`, and no more, may be gone after it, if the epoch is new.
 * @property {boolean} [movesClocks]
 *   Clocks of the run do not agree: nothing is published for a later time, and there are no schedules.
 *
 * ## A world
 *
 * @typedef {object} World
 * @property {import('./cast.js').Subject} subject
 *   The server under test: `pid`, `isRunning`, `kill()`, `ask(call, options)`, which runs a call of `subject.js`
 *   (`killShard`, `crashShard`, `hurtGateway`, `disconnect`); it starts again by itself whenever it ends.
 * @property {import('./cast.js').Client[]} clients
 *   The processes of clients: `name`, `pid`, `isRunning`, `kill()`, `freeze()`, `thaw()`.
 * @property {string} folder
 *   The folder of the run: `data` (the directory of the bus), `histories`.
 * @property {number} shards
 * @property {Record<string, string>} environment
 *   Variables of the subject's environment.
 * @property {(url: string, client: string) => string} route
 *   The address at which a client reaches the gateway that is at `url`.
 * @property {(client: string) => string[]} [through]
 *   The command that starts a client's process, such as `ip netns exec NAME`; none by default.
 */

/** The mean time between the end of one fault and the next, and how long a fault lasts at most, ms. */
const PAUSE_MS = 700;
const PAUSES_MAX = 3;
const LASTS_MS = 1200;
/** The first fault comes once there is work to disturb. */
const FIRST_MS = 500;

export class Nemesis {
  /** How often each fault was injected. */
  injections = {};
  problems = [];
  /** When each fault began and was healed, monotonic ns. */
  spells = [];
  #faults;
  #world;
  #random;
  #write;
  #operation = 0;

  #pauseMs;
  #lastsMs;

  /**
   * @param {object} options
   * @param {Fault[]} options.faults
   * @param {any} options.world   a \`World\`, or whatever else these faults know
   * @param {import('../storage/random.js').Random} options.random
   * @param {string} options.file
   * @param {number} [options.pauseMs]  the mean time between the end of one fault and the next
   * @param {number} [options.lastsMs]  how long a fault lasts at most
   */
  constructor({ faults, world, random, file, pauseMs = PAUSE_MS, lastsMs = LASTS_MS }) {
    this.#pauseMs = pauseMs;
    this.#lastsMs = lastsMs;
    this.#faults = faults;
    this.#world = world;
    this.#random = random;
    this.#write = appender(file);
  }

  /** Injects faults until `isOver` says so; resolves when the last one is healed. */
  async rage(isOver) {
    const random = this.#random;
    await pass(FIRST_MS);
    while (!isOver()) {
      if (this.#faults.length > 0) await this.#strike(random.pick(this.#faults));
      await pass(Math.min(PAUSES_MAX, -Math.log(1 - random.next())) * this.#pauseMs);
    }
    this.#write(0, 'calm');
  }

  async #strike(fault) {
    const operation = ++this.#operation;
    this.#write(operation, 'invoke', 'fault', { name: fault.name });
    const how = await this.#try(() => fault.inject(this.#random, this.#world), fault);
    this.#write(operation, 'ok', { name: fault.name, how });
    if (how === undefined) return;
    this.injections[fault.name] = (this.injections[fault.name] ?? 0) + 1;
    if (fault.heal === undefined) return;
    await pass(this.#random.next() * this.#lastsMs);
    this.#write(operation, 'invoke', 'heal', { name: fault.name });
    await this.#try(() => fault.heal(this.#world), fault);
    this.#write(operation, 'ok', { name: fault.name });
  }

  async #try(act, { name }) {
    try {
      return await act();
    } catch (error) {
      this.problems.push(`nemesis: ${name}: ${error.stack}`);
      return undefined;
    }
  }
}
