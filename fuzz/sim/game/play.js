import { Actor } from '../world/actors.js';
import { Choices } from '../world/choices.js';
import { Disk } from '../world/disk.js';
import { Faults } from '../world/faults.js';
import { closeDescriptor } from '../world/install.js';
import { Network } from '../world/sockets.js';
import { World } from '../world/world.js';
import { Cast } from './cast.js';
import { History } from './history.js';
import { Jobs } from './jobs.js';
import { judge } from './judge.js';
import { lastDue } from './later.js';
import { HELD_UP_MS, Owed } from './owed.js';
import { keepFiles } from './remains.js';
import { resultOf } from './result.js';

/**
 * Plays one plan in a virtual world: opens the bus of one process after another, lets the endpoints and the clients play
 * their programs while the faults happen, lets everything come to rest, and judges.
 */
const STEPS_MAX = 60_000;
/** How long, by the virtual clock, anything may take once the faults have stopped. */
const REST_MS = 60_000;
const PROGRAM_MS = 600_000;
/** A clock that was put forward is believed before that. */
const LATER_MS = 300_000;
/** Of the virtual network, so any will do. */
const GATEWAY_PORT = 7400;

export class Game {
  history = new History();
  /** @type {any} */
  world;
  #product;
  #plan;
  #dir;
  #faults;
  #owed;
  /** @type {any} */
  #bus;
  #cast;
  #wasCut = false;
  /** @type {((game: Game) => void) | undefined} for whoever looks into a seed */
  onFailure;

  /** @param product what `install` returned @param dir where the bus is, which does not exist yet */
  constructor(product, plan, dir, options = {}) {
    this.#product = product;
    this.#plan = plan;
    this.#dir = dir;
    this.#faults = new Faults(structuredClone(plan.faults));
    if (this.#loses(0)) this.#faults.disk = new Disk(dir);
    this.#faults.onFault = (fault) => this.#harm(fault);
    const { look, slow, pauses } = plan;
    this.choices = new Choices(plan.seed, { ...options, look, slow, pauses });
    this.world = new World(this.choices, new Actor('outside'), this.#faults);
    this.world.closeDescriptor = closeDescriptor;
    this.world.network = new Network();
    this.world.onBuried = ({ name }) => {
      if (name.startsWith('millrace-shard')) this.history.shardDied();
      else if (name.startsWith('millrace-reader')) this.history.readersLost++;
    };
    this.world.onUsedReaderStopped = () => {
      if (!this.history.isClosing)
        this.history.problem('a reader ends that has been handed a port');
    };
    this.world.network.onLost = (client) =>
      this.history.jobs?.lose(({ endpoint }) => endpoint === client);
    this.#cast = new Cast(product, this.world, this.history, this.choices);
    this.history.retention = plan.retention;
    if (plan.options.retention !== undefined) this.history.removesFrom = 0;
    if (plan.consumer !== undefined) this.history.jobs = new Jobs(this.history, plan.consumer);
    this.#owed = new Owed(this.history, this.world, plan.options.shards, this.#cast);
  }

  /** Whether the power fails at the end of this process, or of a later one. The last one is not cut. */
  #loses(number) {
    return this.#plan.processes.slice(number, -1).some(({ end }) => end === 'power');
  }

  play() {
    this.world.enter();
    try {
      this.#playAll();
    } catch (error) {
      this.history.problem(`the simulation failed: ${error?.stack}`);
    } finally {
      if (this.history.problems.length > 0) this.onFailure?.(this);
      this.world.leave();
      this.#cast.dismiss();
    }
    return this.#result();
  }

  #playAll() {
    const { processes } = this.#plan;
    for (const [number, process] of processes.entries()) {
      this.#cast.begin(number);
      this.world.begin();
      if (!this.#loses(number)) this.#faults.disk = undefined;
      const isLast = number === processes.length - 1;
      if (!this.#begin(process)) return;
      if (!this.#run(process, isLast)) return;
      if (isLast) this.#finish();
    }
  }

  #begin({ programs }) {
    this.#bus = undefined;
    const main = this.world.add(new Actor('main'));
    main.weight = this.choices.weight(main.name);
    let failure;
    main.events.push(() => {
      const { options } = this.#plan;
      const { openBus } = this.#product;
      openBus({ ...options, dir: this.#dir, systemEvents: false, onError: () => {} }).then(
        (bus) => this.#opened(bus, programs),
        (error) => {
          failure = error;
        },
      );
    });
    this.#until(() => this.#bus !== undefined || failure !== undefined, REST_MS, 'opening');
    if (failure === undefined) return this.#bus !== undefined;
    // A fault may keep a bus from opening. It must open once the faults have stopped.
    if (this.#faults.isOn && this.#faults.hasPlan) {
      this.#faults.isOn = false;
      this.#killAll();
      return this.#begin({ programs });
    }
    this.history.problem(`the bus did not open: ${failure?.code} ${failure?.stack}`);
    return false;
  }

  #opened(bus, programs) {
    const { clients = [] } = this.#plan;
    this.#bus = bus;
    this.#cast.enter(bus, programs);
    if (clients.length > 0) this.#serve(bus, clients);
  }

  #serve(bus, clients) {
    bus.serve({ port: GATEWAY_PORT }).then(
      () => this.#cast.enterClients(clients),
      (error) => {
        // Its thread died before it ever listened, which the caller is told. The clients are left, and go on trying.
        if (error?.code === 'GATEWAY_FAILED') this.#serve(bus, clients);
        else if (error?.code !== 'BUS_CLOSED')
          this.history.problem(`the bus does not serve: ${error?.code} ${error?.stack}`);
      },
    );
  }

  /** Runs the programs, and ends the process if it is not the last one; false if the game is over. */
  #run({ end, endStep }, isLast) {
    const { world } = this;
    const { clients = [] } = this.#plan;
    const endAt = world.steps + endStep;
    const isEarly = !isLast && end !== 'close';
    const isDone = () =>
      (this.#cast.isDone && (!isLast || this.#cast.haveClientsDone(clients.length))) ||
      (isEarly && (world.steps >= endAt || this.#faults.powerIsLost));
    if (!this.#until(isDone, PROGRAM_MS, 'the programs')) return false;
    if (isLast) return true;
    if (end === 'close') return this.#rest() && this.#close();
    this.#crash(this.#faults.powerIsLost ? 'power' : end);
    return true;
  }

  #finish() {
    this.#faults.isOn = false;
    this.#endSchedules();
    if (!this.#rest() || !this.#restOfLater() || !this.#restOfPruned()) return;
    const log = this.#readLog();
    if (log === undefined) return;
    const isPruned = this.#plan.retention !== undefined;
    const end = { epoch: this.#bus.epoch, wasCut: this.#wasCut, isPruned };
    for (const { text, kind } of judge(this.history, log, end)) this.history.problem(text, kind);
    this.#cast.closeClients();
    this.#close();
  }

  /** Their due times would go on for ever. */
  #endSchedules() {
    const { schedules } = this.history;
    let left = schedules.names.length;
    for (const name of schedules.names) {
      this.#inMain(() =>
        schedules.call(this.#bus, { kind: 'delete', name }).then(() => {
          left--;
        }),
      );
    }
    if (left > 0) this.#until(() => left === 0, REST_MS, 'the end of schedules');
  }

  /** Everything that is owed is told. */
  #rest() {
    return this.#until(() => this.#isIdle() && this.#owed.what() === undefined, REST_MS, 'rest');
  }

  /** What waits for its time becomes an event. */
  #restOfLater() {
    const { publishes } = this.history;
    const isOver = () => this.world.surely >= (lastDue(publishes) ?? 0);
    if (lastDue(publishes) === undefined) return true;
    return this.#until(isOver, LATER_MS, 'what waits') && this.#rest();
  }

  /** What retention may remove is owed to nobody, yet a client gets it if it is there: so it has the time for that. */
  #restOfPruned() {
    if (this.#plan.retention === undefined || this.#plan.clients === undefined) return true;
    let taken;
    do {
      taken = this.#taken;
      const until = this.world.elapsed + HELD_UP_MS;
      if (!this.#until(() => this.world.elapsed >= until, REST_MS, 'rest') || !this.#rest())
        return false;
    } while (this.#taken > taken);
    return true;
  }

  get #taken() {
    return this.history.lines.reduce((sum, { events }) => sum + events.length, 0);
  }

  #isIdle() {
    return !this.world.actors.some((actor) => this.world.isReady(actor));
  }

  #readLog() {
    const log = [];
    let over;
    this.#inMain(async () => {
      try {
        for await (const event of this.#bus.read({ topic: '*' })) {
          const { shard, sequence } = event;
          log.push({ shard, sequence, n: this.history.schedules.numberOf(event) });
        }
      } catch (error) {
        this.history.problem(`the log cannot be read: ${error?.code} ${error?.stack}`);
      }
      over = true;
    });
    if (!this.#until(() => over === true, REST_MS, 'reading the log')) return undefined;
    return log.sort((a, b) => a.shard - b.shard || a.sequence - b.sequence);
  }

  #inMain(work) {
    this.world.actors.find(({ name }) => name === 'main').events.push(work);
  }

  #close() {
    let over;
    this.#inMain(() => {
      this.#bus.close().then(
        () => {
          over = true;
        },
        (error) => {
          over = true;
          this.history.problem(`close failed: ${error?.stack}`);
        },
      );
    });
    this.#owed.isClosing = true;
    this.history.isClosing = true;
    const isClosed = this.#until(() => over === true, REST_MS, 'close');
    this.#owed.isClosing = false;
    this.history.isClosing = false;
    for (const { n, status, isRemote } of this.history.publishes) {
      if (isClosed && status === 'pending' && !isRemote)
        this.history.problem(`publish ${n} outlived the bus`);
    }
    this.#killAll();
    return isClosed;
  }

  /** The process is killed; its files are what they are. */
  #crash(end) {
    this.#faults.note(end === 'power' ? 'power lost' : 'process killed');
    keepFiles(this.#dir, () => {
      if (end === 'power') this.#cut();
      this.#killAll();
    });
  }

  /** What was only written may be gone. */
  #cut() {
    this.#wasCut = true;
    this.#faults.powerIsLost = false;
    this.world.boots++;
    for (const publish of this.history.publishes) {
      if (publish.durability === 'written' && !publish.isSynced) publish.mayBeLost = true;
    }
    this.#faults.disk.cut(this.choices.chance);
  }

  /** The process is gone. Clients live elsewhere. */
  #killAll() {
    for (const actor of [...this.world.actors]) {
      if (actor.isRemote) continue;
      actor.onEnd = () => {};
      this.world.kill(actor);
    }
    this.history.jobs?.leave(() => true);
    this.#cast.leave();
  }

  #harm({ kind, shard, client }) {
    if (kind === 'cut') {
      if (this.world.network.cut(client, this.choices.chance)) this.#faults.note('connection cut');
      return;
    }
    const bus = this.#bus;
    if (bus === undefined || !this.world.actors.some(({ name }) => name === 'main')) return;
    this.#faults.note(kind === 'crash' ? 'shard threw' : 'shard terminated');
    this.#inMain(() => {
      const hooks = this.#product.busHooks(bus);
      if (kind === 'crash') hooks.crashShard(shard);
      else void hooks.killShard(shard);
    });
  }

  /** Lets the world go on until the condition holds; false if it does not within so many virtual ms. */
  #until(isDone, ms, what) {
    const { world } = this;
    const limit = world.elapsed + ms;
    while (!isDone()) {
      if (this.history.problems.length > 0 || world.uncaught.length > 0) return false;
      if (world.steps > STEPS_MAX) return this.#stuck(`${what} takes more than ${STEPS_MAX} steps`);
      if (world.step()) continue;
      const next = world.nextDeadline();
      const owed = this.#owed.atRest(next ?? Number.POSITIVE_INFINITY);
      if (owed !== undefined) return this.#stuck(`nothing moves, and ${owed}`);
      if (!this.#owed.isExcused()) world.restedAt = world.time;
      if (world.settle()) continue;
      if (next === undefined || next > limit)
        return this.#stuck(`${what} does not end: ${this.#owed.what()}`);
      world.elapsed = Math.max(world.elapsed, next);
    }
    return true;
  }

  #stuck(problem) {
    this.history.problem(problem);
    return false;
  }

  #result() {
    for (const error of this.world.uncaught)
      this.history.problem(`uncaught: ${error?.stack ?? error}`);
    return { ...resultOf(this), injected: this.#faults.injected };
  }
}
