/**
 * The durable consumers of a bus on a broker, in the thread that opened the bus (docs/adr/0086). One node owns the consumers
 * of all nodes: it has the board and the desks. On the others, relays stand in the place of the desks, and calls about
 * consumers go to the owner. Which it is may change at any time, and then the threads are replaced.
 */
import { ulid } from 'ulid';
import { closedError } from '../../../endpoint/endpoint-errors.js';
import type { ConsumerNews } from '../../../link/consumer-shapes.js';
import { BusError } from '../../../protocol/errors.js';
import { OWNER_CALL_MS, OWNER_RELEASE_MS, OWNER_RENEW_MS } from '../../../protocol/limits/relay.js';
import { messageOf } from '../../../protocol/thrown.js';
import type { ConsumerBroker, ConsumerBrokerModule } from '../../../store/consumer-broker.js';
import type { ConsumerBrokerAddress } from '../../../store/log-store.js';
import { elapsedMs } from '../../../threads/elapsed.js';
import { ConsumerBoard } from '../consumer-board.js';
import type { ConsumerBus } from '../consumer-bus.js';
import type { ConsumerCalls } from '../consumer-calls.js';
import type { KeepList } from '../shard-lists.js';
import { ListInBroker } from './list-in-broker.js';
import { OwnerLine } from './owner-line.js';
import { Ownership } from './ownership.js';

/** What the threads in the place of desks are, from the next one on. */
export type DeskRole = 'desk' | 'relay';

export interface SharedConsumersHost {
  readonly shards: number;
  readonly keep: KeepList;
  /** The role has changed: the threads are to be replaced. */
  replaceThreads(): void;
  warn(error: BusError): void;
}

type Name = keyof ConsumerCalls;
const NAMES: readonly string[] = ['list', 'open', 'alter', 'seekPositions'] satisfies Name[];
/** The errors of a board that this node, or another, has given up: the next owner's answers. */
const MOVED: ReadonlySet<string> = new Set(['SHARD_RESTARTED', 'BUS_CLOSED']);

export class SharedConsumers implements ConsumerCalls {
  /** The name of this node. */
  readonly #node = ulid();
  readonly #address: ConsumerBrokerAddress;
  readonly #host: SharedConsumersHost;
  #broker: ConsumerBroker | undefined;
  #ownership: Ownership | undefined;
  #line: OwnerLine | undefined;
  #bus: ConsumerBus | undefined;
  /** Set while this node owns the consumers. */
  #board: ConsumerBoard | undefined;
  #role: DeskRole = 'relay';
  /** Changes of the role, one after the other. */
  #changes: Promise<void> = Promise.resolve();
  #hasBegun = false;
  #isStopped = false;

  constructor(address: ConsumerBrokerAddress, host: SharedConsumersHost) {
    this.#address = address;
    this.#host = host;
  }

  get role(): DeskRole {
    return this.#role;
  }

  /** Finds the owner, or becomes it. The threads are started after that. */
  async begin(): Promise<void> {
    const module = (await import(this.#address.module)) as ConsumerBrokerModule;
    const broker = await module.openConsumerBroker(this.#address.options);
    this.#broker = broker;
    this.#line = new OwnerLine(broker, this.#node, (name, request) => this.#serve(name, request));
    await this.#line.begin();
    this.#ownership = new Ownership(broker.text('owner'), this.#node, () => this.#change());
    await this.#ownership.begin();
    await this.#changes;
    this.#hasBegun = true;
  }

  start(bus: ConsumerBus): void {
    this.#bus = bus;
    this.#board?.start(bus);
  }

  /** Ends the board; `close` follows when the threads have ended. */
  stop(): void {
    this.#isStopped = true;
    this.#board?.stop();
  }

  /** Lets the consumers go, for another node to take. */
  async close(): Promise<void> {
    this.stop();
    this.#line?.stop();
    // A broker that is away does not hear of it; the others then find out by the silence.
    const overdue = new AbortController();
    const released = this.#ownership?.stop().finally(() => overdue.abort());
    await Promise.race([released, afterMs(OWNER_RELEASE_MS, overdue.signal)]);
    await this.#broker?.close();
  }

  takeNews(shard: number, news: readonly ConsumerNews[]): void {
    this.#board?.takeNews(shard, news);
  }

  /** A desk has ended because another node has its journal. */
  doubt(): void {
    this.#ownership?.doubt();
  }

  /** A desk could not do its work here. */
  giveUp(why: BusError): void {
    this.#ownership?.giveUp(why);
  }

  readonly list: ConsumerCalls['list'] = (...args) => this.#call('list', args);
  readonly open: ConsumerCalls['open'] = (...args) => this.#call('open', args);
  readonly alter: ConsumerCalls['alter'] = (...args) => this.#call('alter', args);
  readonly seekPositions: ConsumerCalls['seekPositions'] = (...args) =>
    this.#call('seekPositions', args);

  #change(): void {
    this.#changes = this.#changes
      .then(() => this.#takeRole())
      .catch((error) => {
        const message = `the consumers could not be taken over: ${messageOf(error)}`;
        this.#host.warn(new BusError('STORE_FAILED', message, { cause: error }));
        // Not at once: what made it fail may last.
        setTimeout(() => this.#ownership?.doubt(), OWNER_RENEW_MS).unref();
      });
  }

  async #takeRole(): Promise<void> {
    const role: DeskRole = this.#ownership!.owner === this.#node ? 'desk' : 'relay';
    // Relays find the next owner's desks by themselves.
    if (this.#isStopped || role === this.#role) return;
    this.#board?.stop();
    this.#board = undefined;
    if (role === 'desk') {
      const list = await ListInBroker.open(this.#broker!.text('list'), () => this.doubt());
      if (this.#isStopped) return;
      this.#board = new ConsumerBoard(list, this.#host.shards, this.#host.keep);
      if (this.#bus !== undefined) this.#board.start(this.#bus);
    }
    this.#role = role;
    if (this.#hasBegun) this.#host.replaceThreads();
  }

  /** Asks the node that serves the consumers, this one or another, until one answers. */
  async #call<N extends Name>(
    name: N,
    args: Parameters<ConsumerCalls[N]>,
  ): Promise<Awaited<ReturnType<ConsumerCalls[N]>>> {
    const until = elapsedMs() + OWNER_CALL_MS;
    while (!this.#isStopped) {
      const answer = await this.#tryCall(name, args, until);
      if (answer !== undefined) return answer.value as Awaited<ReturnType<ConsumerCalls[N]>>;
      if (elapsedMs() >= until) {
        const cause = this.#ownership?.failure;
        const why = cause === undefined ? '' : `: ${messageOf(cause)}`;
        const message = `no node has served the consumers for ${OWNER_CALL_MS} ms${why}`;
        throw new BusError('TIMEOUT', message, { cause });
      }
      await afterMs(OWNER_RENEW_MS / 5);
    }
    throw closedError();
  }

  /** Undefined: there is no such node, or it is another one meanwhile. */
  async #tryCall(
    name: Name,
    args: readonly unknown[],
    until: number,
  ): Promise<{ value: unknown } | undefined> {
    const board = this.#board;
    const owner = this.#ownership?.owner;
    try {
      if (board !== undefined) return { value: await callOf(board, name, args) };
      if (owner === undefined || owner === this.#node) return undefined;
      const isOver = (): boolean =>
        this.#isStopped || this.#ownership!.owner !== owner || elapsedMs() >= until;
      const over = new AbortController();
      const watch = setInterval(() => {
        if (isOver()) over.abort(new OwnerGone());
      }, OWNER_RENEW_MS / 5);
      try {
        return { value: await this.#line!.ask(owner, name, args, over.signal) };
      } finally {
        clearInterval(watch);
      }
    } catch (error) {
      const isMoved = error instanceof BusError && MOVED.has(error.code);
      if ((error instanceof OwnerGone || isMoved) && !this.#isStopped) return undefined;
      throw error;
    }
  }

  #serve(name: string, request: unknown): Promise<unknown> | undefined {
    const board = this.#board;
    if (board === undefined || this.#bus === undefined || !NAMES.includes(name)) return undefined;
    const args = request as readonly unknown[];
    // JSON has no undefined; only `list` takes null.
    return callOf(
      board,
      name as Name,
      name === 'list' ? args : args.map((one) => one ?? undefined),
    );
  }
}

class OwnerGone extends Error {}

function callOf(board: ConsumerCalls, name: Name, args: readonly unknown[]): Promise<unknown> {
  const call = board[name] as (...all: readonly unknown[]) => Promise<unknown>;
  return call.apply(board, args as unknown[]);
}

function afterMs(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => clearTimeout(timer), { once: true });
  });
}
