import { ok, strictEqual } from 'node:assert/strict';
import { DEDUPE_IDS_MAX, DEDUPE_WINDOW_MS } from '../protocol/limits/store.js';
import type { HistoryModule, LogStore, OpenStore, StoreHistory } from '../store/log-store.js';
import { decodePage, type Page, type PageRequest } from '../store/page.js';
import {
  type CommittedBatch,
  NOT_AT_HAND,
  type ReadRequest,
  type ShardLog,
  type ShardLogModule,
  type ShardLogOpening,
  type ShardLogSettings,
} from '../store/shard-log.js';
import type { StoredRecord } from '../store/stored-record.js';
import {
  type CheckedEvent,
  eventOf,
  PADDING,
  RECORDED_AT,
  type ReadEvent,
  recordOf,
} from './events.js';

/** A check fails if it waits longer than this, ms. */
const WAIT_MS = 10_000;

type OpeningThread = Pick<ShardLogOpening, 'isFirst' | 'predecessor' | 'headLeast'>;

const FIRST: OpeningThread = { isFirst: true, predecessor: undefined, headLeast: 0 };

export interface NodeOptions extends Partial<ShardLogSettings> {
  readonly shards?: number;
}

/** A store opened as a bus opens it, without the bus: the open store and the log of each shard, all in this thread. */
export class StoreNode {
  readonly opened: OpenStore;
  readonly log: ShardLog;
  readonly #logs: ShardLog[];
  readonly #open: (shard: number, thread: OpeningThread) => Promise<ShardLog>;
  readonly #history: StoreHistory | undefined;
  readonly #waiting = new Set<() => void>();
  /** How often the log called `onAdvance`. */
  advances = 0;
  /** How often the log called `onFetch`. */
  fetches = 0;

  private constructor(
    opened: OpenStore,
    logs: ShardLog[],
    history: StoreHistory | undefined,
    open: (shard: number, thread: OpeningThread) => Promise<ShardLog>,
  ) {
    this.opened = opened;
    this.#logs = logs;
    this.#open = open;
    this.#history = history;
    this.log = logs[0]!;
    const wake = (): void => {
      for (const one of this.#waiting) one();
    };
    this.log.follow?.({
      onAdvance: () => {
        this.advances++;
        wake();
      },
      onFetch: () => {
        this.fetches++;
        wake();
      },
    });
  }

  static async open(store: LogStore, options: NodeOptions = {}): Promise<StoreNode> {
    const { shards, ...rest } = options;
    const settings: ShardLogSettings = {
      dedupeWindowMs: DEDUPE_WINDOW_MS,
      dedupeIdsMax: DEDUPE_IDS_MAX,
      retention: [],
      ...rest,
    };
    const opened = await store.open({ shards, defaultShards: 1 });
    const open = async (shard: number, thread: OpeningThread = FIRST): Promise<ShardLog> => {
      const { openShardLog } = (await import(opened.shardLog)) as ShardLogModule;
      const shardOptions = structuredClone(opened.shardOptions(shard));
      return openShardLog({ shard, options: shardOptions, settings, ...thread });
    };
    const logs = await Promise.all(Array.from({ length: opened.shards }, (_, n) => open(n)));
    const node = new StoreNode(opened, logs, await historyOf(opened), open);
    await opened.ready();
    return node;
  }

  /** Closes the first shard's log, as its thread does when it ends. */
  async closeLog(): Promise<void> {
    await this.log.close();
    this.#logs.shift();
  }

  /** Opens the first shard's log again, as the successor of a dead thread does. The node closes it. */
  async openSuccessor(headLeast = this.log.head): Promise<ShardLog> {
    const predecessor = structuredClone(this.log.forSuccessor);
    const opening = this.#open(0, { isFirst: false, predecessor, headLeast });
    const log = await within('the log of a successor', opening);
    this.#logs.push(log);
    return log;
  }

  async close(): Promise<void> {
    await this.#history?.close();
    const heads = this.#logs.map(({ head }) => head);
    for (const log of this.#logs) await log.close();
    await this.opened.close(heads);
  }

  append(events: readonly CheckedEvent[], recordedAt = RECORDED_AT): void {
    for (const [index, event] of events.entries()) {
      strictEqual(this.log.append(recordOf(event), PADDING, recordedAt), index, 'its index');
    }
  }

  /** Commits the open batch and waits for the outcome. */
  async decide(synced = true): Promise<CommittedBatch> {
    return within('the commit', Promise.resolve(this.log.commit(synced, [])));
  }

  /** Appends and commits one batch, and returns the sequences. */
  async commit(events: readonly CheckedEvent[], recordedAt = RECORDED_AT): Promise<number[]> {
    this.append(events, recordedAt);
    const batch = await this.decide();
    return events.map((_, index) => batch.sequenceOf(index));
  }

  /** Reads once; waits first if the log has to fetch the events. */
  async read(request: ReadRequest, visit: (record: StoredRecord) => boolean | undefined) {
    for (;;) {
      const { fetches } = this;
      const read = this.log.read(request, visit);
      if (read !== NOT_AT_HAND) return read;
      await this.#until('what the log fetches', () => this.fetches > fetches);
    }
  }

  /** All events after `after`. */
  async stored(after = 0): Promise<ReadEvent[]> {
    const events: ReadEvent[] = [];
    const visit = (record: StoredRecord): undefined => {
      events.push(eventOf(record));
    };
    while ((await this.read({ after: events.at(-1)?.sequence ?? after, limit: 1000 }, visit)) > 0);
    return events;
  }

  /** Waits until the head of the node's log is at least `head`. */
  async reach(head: number): Promise<void> {
    await this.#until(`sequence ${head}`, () => this.log.head >= head);
  }

  /** Reads history to its end, page by page, as a reader thread does. */
  async history(request: Omit<PageRequest, 'after'>): Promise<ReadEvent[]> {
    const events: ReadEvent[] = [];
    let rest: PageRequest = { ...request, after: 0 };
    for (;;) {
      const page = await this.#page(rest);
      decodePage(page, (record) => events.push(eventOf(record)));
      const left = request.limit - events.length;
      if (page.done || left <= 0) return events;
      const from = request.reverse === true ? { until: page.next } : { after: page.next };
      rest = { ...rest, ...from, limit: left };
    }
  }

  async positionAt(timeMs: number): Promise<number> {
    return this.#history?.positionAt(0, timeMs) ?? this.log.pages!.positionAt(timeMs);
  }

  async #page(request: PageRequest): Promise<Page> {
    return this.#history?.page(0, request) ?? this.log.pages!.page(request);
  }

  async #until(what: string, isSo: () => boolean): Promise<void> {
    ok(this.log.isShared || isSo(), `a log of its own has ${what} at once`);
    while (!isSo()) {
      const advanced = new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
      });
      await within(what, advanced);
      this.#waiting.clear();
    }
  }
}

/** Opens the history as a reader thread does; `undefined` if the store has none. */
async function historyOf({ history }: OpenStore): Promise<StoreHistory | undefined> {
  if (history === undefined) return undefined;
  const { openHistory } = (await import(history.module)) as HistoryModule;
  return openHistory(structuredClone(history.options));
}

async function within<T>(what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come in ${WAIT_MS} ms`)), WAIT_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
