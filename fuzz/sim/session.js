import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildFor } from './build.js';
import { planOf } from './game/plan.js';
import { Game } from './game/play.js';
import { install } from './world/install.js';
import { real } from './world/real.js';
import { world } from './world/world.js';

/**
 * Plays seeds one after another in this process. There is one session in a process, as it puts the virtual world in the
 * place of Node's.
 */
const SHARDS = [1, 2, 3];

export class Session {
  #product;
  #root;
  #template = new Map();
  /** @type {unknown[]} what no promise's owner has caught */
  #strays = [];

  /**
   * @param {string} built the folder `dist`
   * @param {string} [plant] a fault to build in
   */
  static async open(built, plant) {
    const root = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'millrace-sim-'));
    process.on('exit', () => rmSync(root, { recursive: true, force: true }));
    const product = await install(buildFor(built, join(root, 'build'), plant));
    const session = new Session(product, root);
    await session.#warm();
    return session;
  }

  constructor(product, root) {
    this.#product = product;
    this.#root = root;
    const note = (error) => {
      // Promises of a thread that has died amid its step would not run. What they throw is nobody's fault.
      if (world()?.current.isDead !== true) this.#strays.push(error);
    };
    process.on('unhandledRejection', note);
    process.on('uncaughtException', note);
  }

  /** Makes the directories that games begin with, and lets modules make what they make once. */
  #warm() {
    return new Promise((resolve) => {
      real.setImmediate(() => {
        for (const shards of SHARDS) {
          const options = { shards, ringBytes: 4096 };
          const process = { programs: [[]], end: 'close', endStep: 0 };
          const dir = join(this.#root, `template-${shards}`);
          const plan = { seed: 0, options, isFresh: true, processes: [process], faults: [] };
          const { problems } = new Game(this.#product, plan, dir).play();
          if (problems.length > 0) throw new Error(problems.join('\n'));
          this.#template.set(shards, dir);
        }
        resolve(undefined);
      });
    });
  }

  playSeed(seed, options = {}) {
    return this.play(planOf(seed, options.scene), options);
  }

  /** @param {any} options of `Choices` */
  play(plan, options = {}) {
    const dir = join(this.#root, 'bus');
    rmSync(dir, { recursive: true, force: true });
    if (!plan.isFresh) cpSync(this.#template.get(plan.options.shards), dir, { recursive: true });
    const game = new Game(this.#product, plan, dir, options);
    game.onFailure = options.onFailure;
    const result = game.play();
    for (const error of this.#strays.splice(0)) {
      if (nameOf(error) !== 'SimulatedDeath') result.problems.push(`unhandled: ${stackOf(error)}`);
    }
    return { plan, ...result };
  }
}

function nameOf(error) {
  return error instanceof Error ? error.name : undefined;
}

function stackOf(error) {
  return error instanceof Error ? error.stack : String(error);
}
