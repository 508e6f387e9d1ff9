import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Random } from '../../storage/random.js';
import { CalledProcess } from '../called-process.js';
import { afflict, KINDS } from '../network/faults.js';
import { FaultyProxy } from '../network/proxy.js';
import { judge } from './judge.js';
import { Receiver } from './receiver.js';

/** One run: faults for a while, then calm, the end, and the judgment. */
const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
/** What goes wrong, and how often. */
const FAULTS = {
  networkThere: 4,
  networkHook: 4,
  receiver: 3,
  killSource: 3,
  killThere: 2,
  freezeThere: 1,
};
const HOLD_MS = 1200;
const CALM_MS = 400;
/** How long the sinks may take until everything has arrived, after the last fault. */
const CATCH_UP_MS = 180_000;
const LOOK_MS = 100;

export class SinksRun {
  #dist;
  #folder;
  #random;
  #lives = 0;
  #seed;
  #source;
  #there;
  #proxies = { there: new FaultyProxy(), hook: new FaultyProxy() };
  #receiver = new Receiver(SECRET);
  injections = {};

  /** @param {{ seed: number, folder: string, dist: string }} options */
  constructor({ seed, folder, dist }) {
    this.#seed = seed;
    this.#folder = folder;
    this.#dist = dist;
    this.#random = new Random(seed);
  }

  /**
   * @param {number} ms how long there are faults
   * @returns {Promise<{ acked: number, published: number, archived: number, posted: number, lost: string[], repeated: string[], misordered: string[], wrong: string[] }>}
   */
  async play(ms) {
    mkdirSync(this.#folder, { recursive: true });
    try {
      await this.#begin();
      const end = performance.now() + ms;
      while (performance.now() < end) await this.#fault();
      await this.#source.call('quiet');
      await this.#catchUp();
      return await this.#judged();
    } finally {
      this.#source?.kill();
      this.#there?.kill();
      for (const proxy of Object.values(this.#proxies)) await proxy.close();
      this.#receiver.close();
    }
  }

  async #begin() {
    for (const proxy of Object.values(this.#proxies)) await proxy.listen();
    this.#proxies.hook.target = await this.#receiver.listen();
    await this.#startThere();
    await this.#startSource();
  }

  async #startThere() {
    const options = { dist: this.#dist, dir: join(this.#folder, 'there') };
    this.#there = await start('there.js', options);
    this.#proxies.there.target = Number(new URL(this.#there.url).port);
  }

  async #startSource() {
    this.#source = await start('source.js', {
      dist: this.#dist,
      dir: join(this.#folder, 'source'),
      archive: join(this.#folder, 'archive'),
      there: `http://127.0.0.1:${this.#proxies.there.port}`,
      hook: `http://127.0.0.1:${this.#proxies.hook.port}/`,
      secret: SECRET,
      history: this.#history,
      life: this.#seed * 1000 + this.#lives++,
    });
  }

  get #history() {
    return join(this.#folder, 'history.jsonl');
  }

  async #fault() {
    const kind = this.#random.pickWeighted(FAULTS);
    this.injections[kind] = (this.injections[kind] ?? 0) + 1;
    await this.#inject(kind);
    await pass(this.#random.below(HOLD_MS));
    await this.#heal(kind);
    await pass(this.#random.below(CALM_MS));
  }

  async #inject(kind) {
    const { there, hook } = this.#proxies;
    const random = this.#random;
    if (kind === 'networkThere') return afflict(random.pickWeighted(KINDS), there, random);
    if (kind === 'networkHook') return afflict(random.pickWeighted(KINDS), hook, random);
    if (kind === 'receiver') return this.#receiver.misbehave(random);
    if (kind === 'freezeThere') return process.kill(this.#there.pid, 'SIGSTOP');
    const victim = kind === 'killSource' ? this.#source : this.#there;
    await victim.kill();
  }

  async #heal(kind) {
    for (const proxy of Object.values(this.#proxies)) proxy.become();
    this.#receiver.manner = 'takes';
    if (kind === 'freezeThere') process.kill(this.#there.pid, 'SIGCONT');
    if (kind === 'killThere') await this.#startThere();
    if (kind === 'killSource') await this.#startSource();
  }

  async #catchUp() {
    const until = performance.now() + CATCH_UP_MS;
    for (;;) {
      const state = await this.#source.call('state');
      if (Object.values(state).every(({ pending }) => pending === 0)) return;
      if (performance.now() > until)
        throw new Error(`not all arrived within ${CATCH_UP_MS} ms: ${JSON.stringify(state)}`);
      await pass(LOOK_MS);
    }
  }

  async #judged() {
    const tried = new Map();
    const acked = new Set();
    for (const line of readFileSync(this.#history, 'utf8').split('\n').filter(Boolean)) {
      const [what, id, topic, digest] = JSON.parse(line);
      if (what === 'tried') tried.set(id, { id, topic, digest });
      else acked.add(id);
    }
    const log = await this.#source.call('log');
    const there = await this.#there.call('log');
    const { received, problems } = this.#receiver;
    const found = judge({ tried, acked, log, there, received });
    found.wrong.push(...problems, ...(await this.#deadLetters()));
    const archived = await this.#source.call('archived');
    await this.#source.end();
    await this.#there.end();
    return {
      acked: acked.size,
      published: log.length,
      archived,
      posted: received.length,
      ...found,
    };
  }

  async #deadLetters() {
    const state = await this.#source.call('state');
    return Object.entries(state)
      .filter(([, { dead }]) => dead > 0)
      .map(([name, { dead }]) => `${dead} events of ${name} are dead`);
  }
}

/** @returns {Promise<CalledProcess>} */
function start(file, options) {
  return new CalledProcess(fileURLToPath(new URL(file, import.meta.url)), options).begin();
}
