import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'vite';
import { now } from '../checker/history.js';
import { Random } from '../storage/random.js';
import { Browser, Server, Worker } from './cast.js';
import { Diaries } from './diaries.js';
import { DEFINITION, eventOf, jobOf } from './jobs.js';

/** Plays one game, and returns all that was seen of it, for the judge. */

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const BATCH = 50;
/** Publishes are spread over this part of the game. */
const PUBLISHED_BY = 0.9;
/** How long the jobs that are left may take once nobody is killed any more. */
const REST_MS = 300_000;

export class Game {
  /** When the server was killed, monotonic ns. */
  #serverKills = [];
  /** Ids of jobs of which their publisher was told that nobody knows whether they are stored. */
  #unknown = [];
  problems = [];
  #options;
  #random;
  #diaries;
  /** @type {(Server | Worker | Browser)[]} */
  #cast = [];
  #server;
  #client;
  #publishes = [];

  /**
   * @param options `{ seed, jobs, ms, killMs, folder, dist, chromium, say }`: `killMs` the mean time between two kills,
   * `dist` the build of the server, `chromium` the browser's program, without which there are no browsers
   */
  constructor(options) {
    this.#options = options;
    this.#random = new Random(options.seed);
  }

  async play() {
    const { folder, dist, ms } = this.#options;
    mkdirSync(folder, { recursive: true });
    this.#diaries = new Diaries(join(folder, 'diaries'), await bundlePage(folder));
    await this.#diaries.listen();
    this.#server = new Server(dist, join(folder, 'data'));
    this.#cast = [this.#server];
    await this.#server.begin();
    this.#client = await this.#connect();
    const consumer = await this.#client.consumer('jobs', DEFINITION);
    this.#cast = [this.#server, ...this.#members()];
    for (const role of this.#cast.slice(1)) await role.begin();
    const until = performance.now() + ms;
    await Promise.all([this.#publish(until, ms), this.#kill(until)]);
    await Promise.all(this.#publishes);
    const info = await this.#finish(consumer);
    await this.#end();
    return { ...(await this.#observe()), info };
  }

  /** Ends every process at once, after a failure of the game itself. */
  abandon() {
    for (const role of this.#cast) {
      role.letGo();
      if (role.isRunning) role.strike();
    }
  }

  get kills() {
    return Object.fromEntries(this.#cast.map(({ name, kills }) => [name, kills]));
  }

  async #connect() {
    const { connect } = await import(pathToFileURL(join(ROOT, 'dist/client.js')).href);
    return connect(this.#server.url, { reconnectBaseMs: 50, reconnectMaxMs: 500 });
  }

  #members() {
    const { folder, chromium } = this.#options;
    const { url } = this.#server;
    const client = join(ROOT, 'dist/client.js');
    const workers = [1, 2, 3, 4].map((number) => {
      const name = `worker-${number}`;
      const diary = this.#diaries.file(name);
      return new Worker(name, { url, diary, concurrency: 16, client });
    });
    if (chromium === undefined) return workers;
    const { port } = this.#diaries;
    const browsers = [1, 2].map((number) => {
      const name = `browser-${number}`;
      const diary = `ws://127.0.0.1:${port}/${name}`;
      const asked = new URLSearchParams({ server: url, diary, concurrency: '8', name });
      const pageUrl = `http://127.0.0.1:${port}/?${asked}`;
      return new Browser(name, { executablePath: chromium, folder, pageUrl });
    });
    return [...workers, ...browsers];
  }

  /** Publishes the jobs in their order, evenly over the game, through the server's deaths. */
  async #publish(until, ms) {
    const { seed, jobs } = this.#options;
    const from = until - ms;
    for (let next = 0; next < jobs; next += BATCH) {
      const numbers = Array.from({ length: Math.min(BATCH, jobs - next) }, (_, at) => next + at);
      const events = numbers.map((n) => eventOf(jobOf(seed, n, jobs)));
      await this.#published(events);
      const due = from + (ms * PUBLISHED_BY * (next + BATCH)) / jobs;
      await pass(due - performance.now());
    }
  }

  /** Waits only while the client's outbox is full: acks are awaited at the end. */
  async #published(events) {
    while (this.#client.unacknowledged > 5000) await pass(20);
    this.#publishes.push(
      this.#client.publishMany(events).catch((error) => {
        // On a busy machine the server may die too often to take a publish within the time in which it knows ids again.
        if (error.code === 'PUBLISH_UNKNOWN') {
          this.#unknown.push(...error.details.unknown.map((at) => events[at].id));
        } else this.problems.push(`publish: ${error.code} ${error.message}`);
      }),
    );
  }

  async #kill(until) {
    const { killMs } = this.#options;
    await this.#killServerAtWork();
    while (performance.now() < until) {
      await pass(Math.min(until - performance.now(), -Math.log(1 - this.#random.next()) * killMs));
      const role = this.#random.pick(this.#cast);
      if (performance.now() >= until || !role.isRunning) continue;
      if (role === this.#server) this.#serverKills.push(now());
      role.kill();
    }
  }

  /**
   * Kills the server while members have slow jobs in hand. However slow the machine is, no game ends without a death that
   * costs attempts.
   */
  async #killServerAtWork() {
    const end = performance.now() + REST_MS;
    const { seed, jobs } = this.#options;
    const names = this.#cast.slice(1).map(({ name }) => name);
    const hasSlow = (lines) => {
      const said = new Set(
        lines.filter(([, what]) => what === 'say').map(([, , , lease]) => lease),
      );
      return lines.some(
        ([, what, n, , , lease]) =>
          what === 'invoke' && jobOf(seed, n, jobs).fate === 'slow' && !said.has(lease),
      );
    };
    while (!names.some((name) => hasSlow(this.#diaries.read(name)))) {
      if (performance.now() > end) {
        this.problems.push('idle: no member has had a slow job in hand');
        return;
      }
      await pass(5);
    }
    this.#serverKills.push(now());
    this.#server.kill();
  }

  /** Waits until all jobs are done or dead, and every letter is published. */
  async #finish(consumer) {
    const end = performance.now() + REST_MS;
    for (;;) {
      await this.#server.running;
      const info = await consumer.info().catch((error) => error);
      const { pending, inFlight, lettersDue } = info;
      if (pending === 0 && inFlight === 0 && lettersDue === 0) return info;
      if (performance.now() > end) {
        this.problems.push(`stuck: ${JSON.stringify(info)}`);
        return info;
      }
      await pass(100);
    }
  }

  async #end() {
    const [server, ...members] = this.#cast;
    await Promise.all(members.map((role) => role.running));
    await Promise.all(members.map((role) => role.stop()));
    await this.#client.close();
    await server.stop();
    this.#diaries.close();
    this.problems.push(...this.#cast.flatMap(({ problems }) => problems));
  }

  async #observe() {
    const { openBus } = await import(pathToFileURL(join(ROOT, 'dist/index.js')).href);
    const bus = await openBus({ dir: join(this.#options.folder, 'data') });
    const events = [];
    for await (const event of bus.read({ topic: '*' })) events.push(event);
    await bus.close();
    const clock = { wallMs: Date.now(), at: now() };
    const diaries = this.#cast
      .slice(1)
      .map(({ name }) => ({ name, lines: this.#diaries.read(name) }));
    const [serverKills, unknown] = [this.#serverKills, this.#unknown];
    return { events, diaries, clock, serverKills, unknown, losses: this.#server.losses };
  }
}

async function pass(ms) {
  if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
}

/** The script of the pages, in one file. */
async function bundlePage(folder) {
  const output = await build({
    configFile: false,
    logLevel: 'error',
    root: ROOT,
    resolve: { alias: { 'millrace/client': join(ROOT, 'dist/client.js') } },
    build: {
      outDir: join(folder, 'page'),
      write: false,
      lib: {
        entry: join(ROOT, 'fuzz/consumers/page.js'),
        formats: ['iife'],
        name: 'page',
        fileName: () => 'page.js',
      },
    },
  });
  const [{ output: chunks }] = /** @type {any} */ (output);
  return chunks[0].code;
}
