import { cpSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect } from 'vitest';
import { BusError } from '../../../../src/protocol/errors.js';
import { EVENT_FLAG_PERSIST, EVENT_FLAG_SYNCED } from '../../../../src/record/event-record.js';
import { openManifest } from '../../../../src/store/directory/directory.js';
import { hashOfPayload } from '../../../../src/store/directory/payload-files.js';
import { decodePage } from '../../../../src/store/page.js';
import { openForReading, shardFile } from '../../../../src/store/sqlite/connection/schema.js';
import { PageReader } from '../../../../src/store/sqlite/reading/page-reader.js';
import { SqliteShardLog } from '../../../../src/store/sqlite/sqlite-shard-log.js';
import type { StoredRecord } from '../../../../src/store/stored-record.js';
import { verifyDirectory } from '../../../../src/store/upkeep/verify.js';
import { eventOf } from '../../../../src/testing/events.js';
import { temporaryDirectory } from '../../directories.js';
import { record } from '../../records.js';
import { DyingFiles, MISHAPS, type Mishap } from './dying-files.js';

/** Payloads of more bytes than this go to files. */
const OVER = 100;
/** Equal payloads share a file, so there are few of them. */
const PAYLOADS = [
  'small',
  'a'.repeat(OVER - 2),
  'b'.repeat(OVER - 1),
  'é'.repeat(OVER),
  'c'.repeat(5000),
  'd'.repeat(70_000),
];

export type Move =
  | { readonly move: 'publish'; readonly payload: number; readonly synced: boolean }
  | { readonly move: 'prune'; readonly events: number }
  | { readonly move: 'mishap'; readonly mishap: Mishap; readonly calls: number }
  | { readonly move: 'commit' | 'roll back' | 'maintain' | 'settle' | 'hold' | 'let go' }
  | { readonly move: 'close' | 'kill' | 'open without the option' };

export const moves: fc.Arbitrary<Move[]> = fc.array(
  fc.oneof(
    {
      weight: 10,
      arbitrary: fc.record({
        move: fc.constant('publish' as const),
        payload: fc.nat(PAYLOADS.length - 1),
        synced: fc.boolean(),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        move: fc.constant('prune' as const),
        events: fc.integer({ min: 1, max: 6 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        move: fc.constant('mishap' as const),
        mishap: fc.constantFrom(...MISHAPS),
        calls: fc.nat(4),
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({ move: fc.constantFrom('commit' as const, 'maintain' as const) }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        move: fc.constantFrom('roll back' as const, 'settle' as const),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        move: fc.constantFrom(
          'hold' as const,
          'let go' as const,
          'close' as const,
          'kill' as const,
          'open without the option' as const,
        ),
      }),
    },
  ),
  { maxLength: 40 },
);

type Files = typeof DyingFiles;

interface Stored {
  readonly payload: string;
  readonly isInFile: boolean;
}

/** A log and its payload files beside a map of what must be there. */
export class PayloadGame {
  readonly #Files: Files;
  readonly #holds = new Int32Array(new SharedArrayBuffer(4));
  /** By sequence. */
  readonly #stored = new Map<number, Stored>();
  #batch: Stored[] = [];
  #dir = temporaryDirectory();
  /** Where a dead process has left its files. */
  #left: string | undefined;
  #files!: DyingFiles;
  #log!: SqliteShardLog;
  #takes = true;
  readonly #moves = {
    commit: () => this.#commit(),
    'roll back': () => this.#rollBack(),
    maintain: () => void this.#log.maintain(),
    settle: () => this.#settle(),
    hold: () => void Atomics.store(this.#holds, 0, 1),
    'let go': () => void Atomics.store(this.#holds, 0, 0),
    kill: () => this.#die(),
    close: () => this.#reopen(true),
    'open without the option': () => this.#reopen(false),
  };

  constructor(files: Files = DyingFiles) {
    this.#Files = files;
    openManifest(this.#dir, { shards: 1, defaultShards: 1 });
    this.#open();
  }

  play(all: readonly Move[]): void {
    for (const move of all) this.#play(move);
    this.#files.disarm();
    this.#holds[0] = 0;
    for (const move of ['roll back', 'close', 'settle'] as const) this.#play({ move });
    this.#assertFiles();
    this.#log.close();
    expect(problemsOf(this.#dir)).toEqual([]);
  }

  #play(move: Move): void {
    try {
      this.#make(move);
    } catch (error) {
      const isTyped =
        error instanceof BusError && ['STORE_FULL', 'STORE_FAILED'].includes(error.code);
      if (!isTyped && !this.#files.isDead) throw error;
      // A process whose log has failed opens it again, as it was left.
      if (isTyped && error.code === 'STORE_FAILED') this.#die();
      if (!this.#files.isDead) this.#batch = [];
    }
    if (this.#left !== undefined) this.#openLeft(this.#left);
    this.#assertEvents();
  }

  #make(move: Move): void {
    if (move.move === 'publish') this.#publish(PAYLOADS[move.payload]!, move.synced);
    else if (move.move === 'prune') this.#prune(move.events);
    else if (move.move === 'mishap') this.#files.arm(move.mishap, move.calls);
    else this.#moves[move.move]();
  }

  #publish(payload: string, synced: boolean): void {
    const flags = EVENT_FLAG_PERSIST | (synced ? EVENT_FLAG_SYNCED : 0);
    this.#log.append(record({ payload, flags }), 0, 1000);
    const bytes = Buffer.byteLength(JSON.stringify(payload));
    this.#batch.push({ payload, isInFile: this.#takes && bytes > OVER });
  }

  #commit(): void {
    const before = this.#log.head;
    this.#log.commit(true, []);
    for (const [at, one] of this.#batch.entries()) this.#stored.set(before + 1 + at, one);
    this.#batch = [];
  }

  #rollBack(): void {
    this.#log.rollback();
    this.#batch = [];
  }

  #settle(): void {
    while (this.#log.maintain());
  }

  /** Removals come between batches. */
  #prune(events: number): void {
    if (this.#batch.length > 0) return;
    const request = { pattern: '*', excessEvents: events, excessBytes: 0, after: 0 };
    this.#log.pruning.prune(request);
    for (const sequence of [...this.#stored.keys()].slice(0, events)) this.#stored.delete(sequence);
  }

  #open(): void {
    const file = shardFile(this.#dir, 0);
    this.#files = new this.#Files(file, () => this.#leave());
    this.#log = new SqliteShardLog({
      file,
      shard: 0,
      payloadFiles: this.#files,
      payloadHolds: this.#holds,
      ...(this.#takes && { claimCheckBytes: OVER }),
    });
  }

  #reopen(takes: boolean): void {
    this.#takes = takes;
    this.#batch = [];
    this.#log.close();
    this.#open();
  }

  #die(): void {
    this.#files.isDead = true;
    this.#leave();
  }

  #leave(): void {
    this.#left = join(temporaryDirectory(), 'left');
    cpSync(this.#dir, this.#left, { recursive: true });
  }

  /** Another process goes on with what is left, and its publishers repeat what was not acknowledged. */
  #openLeft(left: string): void {
    this.#left = undefined;
    const again = this.#batch;
    this.#batch = [];
    try {
      this.#log.close();
    } catch {
      // The log of the dead process, which nobody looks at any more.
    }
    this.#dir = left;
    expect(problemsOf(left)).toEqual([]);
    this.#open();
    for (const { payload } of again) this.#publish(payload, true);
    this.#commit();
  }

  #assertEvents(): void {
    const wanted = [...this.#stored].map(([sequence, { payload }]) => ({ sequence, payload }));
    const read: unknown[] = [];
    const note = (record: StoredRecord): void => {
      const { sequence, payload } = eventOf(record);
      read.push({ sequence, payload });
    };
    this.#log.read({ after: 0, limit: 1000 }, note as () => undefined);
    expect(read).toEqual(wanted);
    read.length = 0;
    const file = shardFile(this.#dir, 0);
    const database = openForReading(file, 0);
    decodePage(new PageReader(database, file, 0).page({ after: 0, limit: 1000 }), note);
    database.close();
    expect(read).toEqual(wanted);
  }

  /** The files there are exactly those that events refer to. */
  #assertFiles(): void {
    const wanted = new Set<string>();
    for (const { payload, isInFile } of this.#stored.values()) {
      if (isInFile) wanted.add(hashOfPayload(Buffer.from(JSON.stringify(payload))));
    }
    const found = [...this.#files.list()].map(({ hash }) => hash);
    expect(found.sort()).toEqual([...wanted].sort());
  }
}

function problemsOf(dir: string): string[] {
  const found = [...verifyDirectory(dir)].filter(({ severity }) => severity === 'error');
  return found.map(({ message }) => message);
}
