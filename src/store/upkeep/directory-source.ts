import { BusError } from '../../protocol/errors.js';
import { isKeptObject } from '../../protocol/kept-object.js';
import { readConsumerList } from '../consumer-list.js';
import { assertEventsOnly, type CopySource } from '../copy/copy-source.js';
import { ALERTS_FILE, CONSUMERS_FILE, KeptFile } from '../directory/kept-file.js';
import { DirectoryLock } from '../directory/lock.js';
import { type Manifest, readManifest } from '../directory/manifest.js';
import type { FilledEvent } from '../filling.js';
import { ReshardSource } from './reshard-source.js';

const EVENTS_PER_PIECE = 256;

/** A directory as the source of a copy, which nobody else opens meanwhile; it may also be a backup. */
export class DirectorySource implements CopySource {
  readonly shards: number;
  readonly shardBy: CopySource['shardBy'];
  readonly history: string;
  readonly total: number;
  /** Events that the directory has lost, one text per shard. */
  readonly losses: readonly string[];
  readonly #dir: string;
  readonly #manifest: Manifest;
  readonly #lock: DirectoryLock;

  /**
   * @param isEventsOnly what only a directory can keep stays behind; without it, a directory that has some is refused
   * @throws BusError `OPTION_INVALID`, `STORE_LOCKED`, `STORE_CORRUPT`, `STORE_FAILED`
   */
  static open(dir: string, isEventsOnly: boolean): DirectorySource {
    const manifest = readManifest(dir);
    if (manifest === undefined) {
      throw new BusError(
        'OPTION_INVALID',
        `${dir} has no manifest.json: it is not a log directory`,
      );
    }
    const lock = DirectoryLock.acquire(dir);
    try {
      const { total, losses, others } = examined(dir, manifest);
      if (!isEventsOnly) assertEventsOnly(dir, others);
      return new DirectorySource(dir, manifest, lock, total, losses);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  private constructor(
    dir: string,
    manifest: Manifest,
    lock: DirectoryLock,
    total: number,
    losses: readonly string[],
  ) {
    this.shards = manifest.shards;
    this.shardBy = manifest.shardBy;
    this.history = manifest.epoch;
    this.total = total;
    this.losses = losses;
    this.#dir = dir;
    this.#manifest = manifest;
    this.#lock = lock;
  }

  async *events(shard: number): AsyncGenerator<readonly FilledEvent[]> {
    const source = ReshardSource.open(this.#dir, this.#manifest, shard);
    if (source === undefined) return;
    try {
      while (source.nextAt !== undefined) {
        const piece: FilledEvent[] = [];
        while (source.nextAt !== undefined && piece.length < EVENTS_PER_PIECE) {
          const { recordedAt, bytes } = source.take();
          piece.push({ recordedAt, bytes });
        }
        yield piece;
      }
    } finally {
      source.close();
    }
  }

  async close(): Promise<void> {
    this.#lock.release();
  }
}

interface Examined {
  readonly total: number;
  readonly losses: readonly string[];
  /** What the directory has besides events. */
  readonly others: readonly [number, string][];
}

function examined(dir: string, manifest: Manifest): Examined {
  const { shards } = manifest;
  let consumers = readConsumerList(new KeptFile(dir, CONSUMERS_FILE), shards).length;
  let waiting = 0;
  let schedules = 0;
  let total = 0;
  const losses: string[] = [];
  for (let shard = 0; shard < shards; shard++) {
    const source = ReshardSource.open(dir, manifest, shard);
    if (source === undefined) continue;
    try {
      total += source.head;
      if (source.loss !== undefined) {
        losses.push(`shard ${shard} ends at ${source.head}: ${source.loss.reason}`);
      }
      consumers = Math.max(consumers, source.consumers);
      for (const _ of source.waiting()) waiting++;
      schedules += source.schedules().length;
    } finally {
      source.close();
    }
  }
  const others: [number, string][] = [
    [consumers, 'durable consumers'],
    [waiting, 'publishes that wait for their time'],
    [schedules, 'schedules'],
    [alertRules(dir), 'rules of alerts'],
  ];
  return { total, losses, others };
}

function alertRules(dir: string): number {
  const text = new KeptFile(dir, ALERTS_FILE).read();
  const kept: unknown = text === undefined ? {} : JSON.parse(text);
  const { rules } = isKeptObject(kept) ? kept : {};
  return Array.isArray(rules) ? rules.length : 0;
}
