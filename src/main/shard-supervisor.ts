/**
 * Keeps one shard's thread alive: starts it, and starts another on the same rings when it dies. Used by the thread that
 * opened the bus.
 */
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { clearShard } from '../link/consumer-gates.js';
import type { ConsumerNews } from '../link/consumer-shapes.js';
import type { LinkEnd, LinkMemory } from '../link/link.js';
import {
  GENERATION,
  RESTARTS,
  ShardControl,
  ShardCounter,
  STATE,
  STATE_FAILED,
  STATE_RESTARTING,
  STATE_STARTING,
  wakeOtherShardSurely,
} from '../link/shard-control.js';
import type { ShardConsumerList, ShardReport, ShardThreadData } from '../link/shard-mail.js';
import { BusError } from '../protocol/errors.js';
import { messageOf } from '../protocol/thrown.js';
import { threadFlags } from '../threads/exec-argv.js';
import { threadModule } from '../threads/packed.js';
import { RestartPolicy } from './restart-policy.js';
import { ShardMailbox } from './shard-mailbox.js';

/** Started by URL, so that main imports nothing of the shards. */
const THREAD_URL = threadModule('shards/shard-thread');
/** A thread that ends with one of these was right to end, and the next one is to begin: another node was first, or all join again. */
const MEANT_ENDS: ReadonlySet<string> = new Set(['CONFLICT', 'SHARD_RESTARTED']);
/** A shard that was told to stop and stores nothing for this long is terminated, ms; acknowledged events are stored. */
const STOP_WAIT_MS = 4000;

/** Main's view of a link. */
export interface SupervisedLink {
  readonly endpoint: string;
  readonly memory: LinkMemory;
  readonly doorbell: SharedArrayBuffer;
  /** Called with the endpoint's new port each time that the shard's thread was replaced. */
  readonly relink: (port: MessagePort, generation: number) => void;
}

export interface ShardReady {
  readonly head: number;
  readonly wentBackwardsFrom: number | undefined;
  readonly otherHistory?: string | undefined;
  readonly forSuccessor: unknown;
}

/** Notices that no call of the host can return. */
export interface ShardHost {
  onFailed(shard: number, error: BusError): void;
  /** What has become of durable consumers in a shard. */
  onConsumers(shard: number, news: readonly ConsumerNews[]): void;
  onWarning(error: BusError): void;
  /** A thread has ended as it should, and is replaced. */
  onMeantEnd?(shard: number, why: BusError): void;
  /**
   * Too many threads have ended without progress, one after the other.
   * @param why why the last one did
   * @returns how long to wait before the next one, ms; undefined, as without this call: the shard is given up
   */
  onTried?(shard: number, why: string): number | undefined;
}

export interface ThreadSettings
  extends Pick<
    ShardThreadData,
    | 'commitBatchEvents'
    | 'publishWaitMs'
    | 'prunes'
    | 'archive'
    | 'gates'
    | 'controls'
    | 'desk'
    | 'log'
  > {
  /** The code of the thread. Default: a shard's. */
  readonly thread?: URL;
}

export class ShardSupervisor {
  /** All durable consumers, for the shard's next thread; see `ShardThreadData.consumers`. */
  consumers: ShardConsumerList;
  readonly #shard: number;
  readonly #control: ShardControl;
  readonly #settings: () => ThreadSettings;
  readonly #host: ShardHost;
  readonly #links = new Map<string, SupervisedLink>();
  #restarts = new RestartPolicy();
  readonly #mailbox: ShardMailbox;
  #worker: Worker | undefined;
  #generation = 0;
  /** Endpoints that have left, of which leases may be stored that nobody will claim; and how many when the thread began. */
  #departed = 0;
  #departedBefore = 0;
  #forSuccessor: unknown;
  #lastError: Error | undefined;
  #failure: BusError | undefined;
  #isStopping = false;
  #isKilled = false;
  #isReplaced = false;
  #backoff: NodeJS.Timeout | undefined;
  #onReady: ((ready: ShardReady) => void) | undefined;
  #onRefused: ((error: Error) => void) | undefined;
  #onExit: (() => void) | undefined;

  /** @param settings asked for each thread that begins */
  constructor(
    shard: number,
    control: ShardControl,
    settings: () => ThreadSettings,
    host: ShardHost,
  ) {
    this.#shard = shard;
    this.#control = control;
    this.#settings = settings;
    this.#host = host;
    this.#mailbox = new ShardMailbox(control, (report) => this.#onReport(report));
  }

  get generation(): number {
    return this.#generation;
  }

  get failure(): BusError | undefined {
    return this.#failure;
  }

  /** Starts the first thread. Rejects with the error that kept it from opening its log. */
  start(): Promise<ShardReady> {
    return new Promise((resolve, reject) => {
      this.#onReady = resolve;
      this.#onRefused = reject;
      this.#launch();
    });
  }

  /** Adds a link and returns the endpoint's port. */
  attach(link: SupervisedLink): MessagePort {
    this.#links.set(link.endpoint, link);
    const { port1, port2 } = new MessageChannel();
    // If no thread runs now, the next one takes the link, and the endpoint is given another port.
    this.#mailbox.send({ mail: 'attach', end: this.#endOf(link, port2) }, [port2]);
    return port1;
  }

  detach(endpoint: string): void {
    if (!this.#links.delete(endpoint)) return;
    this.#departed++;
    this.#mailbox.send({ mail: 'detach', endpoint });
  }

  /** Lets the thread take what its rings hold, close its log and end. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    clearTimeout(this.#backoff);
    this.#backoff = undefined;
    const worker = this.#worker;
    if (worker === undefined) return;
    const exited = new Promise<void>((resolve) => {
      this.#onExit = resolve;
    });
    let progress = this.#progress;
    const overdue = setInterval(() => {
      // A thread that still stores events is not terminated: the outcome of the rest would be unknown.
      if (this.#progress === progress) void worker.terminate();
      progress = this.#progress;
    }, STOP_WAIT_MS);
    worker.ref();
    this.#mailbox.send({ mail: 'stop' });
    await exited;
    clearInterval(overdue);
  }

  /** Ends the thread as a death would; the next one begins with the settings of then. Resolves when it has ended. */
  async replace(): Promise<void> {
    const worker = this.#worker;
    if (this.#isStopping) return;
    if (worker === undefined) {
      if (this.#backoff !== undefined) this.#launch();
      return;
    }
    this.#isReplaced = true;
    this.#isKilled = true;
    await worker.terminate();
  }

  /** For tests: terminates the thread; resolves when it has ended. */
  async kill(): Promise<void> {
    const worker = this.#worker;
    if (worker === undefined) return;
    this.#isKilled = true;
    await worker.terminate();
  }

  /** For tests: makes the thread throw. */
  crash(): void {
    this.#isKilled = true;
    this.#mailbox.send({ mail: 'crash' });
  }

  #launch(): void {
    clearTimeout(this.#backoff);
    this.#backoff = undefined;
    const { words } = this.#control;
    const generation = ++this.#generation;
    const mail = this.#mailbox.open();
    const relinked: { link: SupervisedLink; port: MessagePort }[] = [];
    const ends: LinkEnd[] = [];
    for (const link of this.#links.values()) {
      const { port1, port2 } = new MessageChannel();
      ends.push(this.#endOf(link, port2));
      relinked.push({ link, port: port1 });
    }
    const { thread = THREAD_URL, ...settings } = this.#settings();
    const workerData: ShardThreadData = {
      ...settings,
      shard: this.#shard,
      generation,
      isFirst: generation === 1,
      hasDeparted: this.#departed > 0,
      control: this.#control.buffer,
      predecessor: this.#forSuccessor,
      mail,
      ends,
      consumers: this.consumers,
    };
    Atomics.store(words, GENERATION, generation);
    Atomics.store(words, STATE, generation === 1 ? STATE_STARTING : STATE_RESTARTING);
    this.#restarts.started(this.#progress);
    this.#departedBefore = this.#departed;
    this.#isKilled = false;
    this.#isReplaced = false;
    this.#lastError = undefined;
    const worker = new Worker(thread, {
      workerData,
      transferList: [mail, ...ends.map(({ port }) => port)],
      name: `millrace-shard-${this.#shard}`,
      ...threadFlags(),
    });
    this.#worker = worker;
    // Errors thrown by the thread's code arrive as a report; this catches the others: out of memory, a missing file.
    worker.on('error', (error: Error) => {
      this.#lastError = error;
    });
    worker.on('exit', () => this.#exited());
    for (const { link, port } of relinked) link.relink(port, generation);
  }

  #endOf({ endpoint, memory, doorbell }: SupervisedLink, port: MessagePort): LinkEnd {
    return { endpoint, shard: this.#shard, memory, doorbell, port };
  }

  #onReport(report: ShardReport): void {
    switch (report.report) {
      case 'ready':
        this.#ready(report);
        break;
      case 'failed':
        this.#lastError = BusError.from(report.error);
        break;
      case 'warning':
        this.#host.onWarning(BusError.from(report.error));
        break;
      case 'consumers':
        this.#host.onConsumers(this.#shard, report.news);
        break;
      case 'claimed':
        this.#departed -= this.#departedBefore;
        this.#departedBefore = 0;
        break;
      case 'stopped':
        break;
    }
  }

  #ready(ready: ShardReady): void {
    const { head, wentBackwardsFrom, otherHistory } = ready;
    this.#forSuccessor = ready.forSuccessor;
    // An idle shard does not keep the process alive; one that starts or stops does.
    if (!this.#isStopping) this.#worker?.unref();
    this.#restarts.ready(performance.now());
    const onReady = this.#onReady;
    this.#onReady = undefined;
    this.#onRefused = undefined;
    if (onReady !== undefined) onReady(ready);
    else if (otherHistory !== undefined)
      this.#historyLost(`its history has ended: ${otherHistory}; open the bus again`);
    else if (wentBackwardsFrom !== undefined) {
      this.#historyLost(
        `its log went back from sequence ${wentBackwardsFrom} to ${head}; open the directory again`,
      );
    }
  }

  /**
   * The log lost events that were delivered and would reuse their sequences: it must be opened again, in a new epoch.
   */
  #historyLost(message: string): void {
    this.#giveUp(new Error(message));
    void this.#worker?.terminate();
  }

  #exited(): void {
    this.#worker = undefined;
    this.#mailbox.close();
    // It may have died in the middle of waking another shard.
    const { controls } = this.#settings();
    for (const control of controls) {
      wakeOtherShardSurely(new ShardControl(control).words);
    }
    if (this.#isStopping || this.#failure !== undefined) {
      this.#onExit?.();
      return;
    }
    if (this.#onRefused !== undefined && !this.#isReplaced && !this.#isMeant) {
      this.#onRefused(this.#lastError ?? new Error(`shard ${this.#shard} did not start`));
      return;
    }
    this.#restart();
  }

  #restart(): void {
    const { words } = this.#control;
    Atomics.add(words, RESTARTS, 1);
    Atomics.store(words, STATE, STATE_RESTARTING);
    const foundFull = this.#lastError instanceof BusError && this.#lastError.code === 'STORE_FULL';
    const now = performance.now();
    const wasMeant = this.#isKilled || this.#isMeant;
    if (this.#isMeant) this.#host.onMeantEnd?.(this.#shard, this.#lastError as BusError);
    let waitMs = this.#restarts.ended(now, this.#progress, wasMeant, foundFull);
    if (waitMs === undefined) {
      waitMs = this.#host.onTried?.(this.#shard, whyEnded(this.#lastError));
      this.#restarts = new RestartPolicy();
    }
    if (waitMs === undefined) this.#giveUp(this.#lastError);
    else if (waitMs === 0) this.#launch();
    else this.#backoff = setTimeout(() => this.#launch(), waitMs).unref();
  }

  get #isMeant(): boolean {
    if (this.#host.onMeantEnd === undefined || !(this.#lastError instanceof BusError)) return false;
    return MEANT_ENDS.has(this.#lastError.code);
  }

  /** Grows with this bus's own commits; the head of a shared log also moves when other nodes append. */
  get #progress(): number {
    const { counters } = this.#control;
    return counters[ShardCounter.commits]! + counters[ShardCounter.ephemeral]!;
  }

  #giveUp(cause: Error | undefined): void {
    Atomics.store(this.#control.words, STATE, STATE_FAILED);
    this.#control.counters[ShardCounter.subscriptions] = 0;
    clearShard(this.#settings().gates, this.#shard);
    const why = whyEnded(cause);
    this.#failure = new BusError('STORE_FAILED', `shard ${this.#shard} was given up: ${why}`, {
      details: { shard: this.#shard, reason: why },
      cause,
    });
    this.#host.onFailed(this.#shard, this.#failure);
  }
}

function whyEnded(cause: Error | undefined): string {
  if (cause === undefined) return 'its thread ended without an error';
  return cause instanceof BusError ? `${cause.code}: ${cause.message}` : messageOf(cause);
}
