import type { ArchiveWords } from '../link/archive-words.js';
import { type ShardControl, ShardCounter } from '../link/shard-control.js';
import type { ArchiveGate } from '../store/pruning.js';
import type { ShardLog } from '../store/shard-log.js';

/**
 * The shard's side of its archive: holds retention back until the archiver has taken what would go, and tells the
 * archiver that retention waits. Only the shard's loop calls it.
 */
export class ArchiveLink implements ArchiveGate {
  readonly #words: ArchiveWords;
  readonly #log: ShardLog;
  /** What the rules would remove, as of their last look. */
  #byRules = 0;
  /** What somebody has asked to remove. */
  #byRequest = 0;
  #isByRules = false;

  constructor(words: ArchiveWords, log: ShardLog) {
    this.#words = words;
    this.#log = log;
  }

  get through(): number {
    return this.#words.through;
  }

  /** Events up to this sequence may have left the log for the archive: readers of history find them there. */
  get leftThrough(): number {
    return this.#log.prunedThrough;
  }

  get words(): ArchiveWords {
    return this.#words;
  }

  want(sequence: number): void {
    if (this.#isByRules) this.#byRules = Math.max(this.#byRules, sequence);
    else this.#byRequest = Math.max(this.#byRequest, sequence);
  }

  /** Runs a step of the rules, which says whether there is more to do. */
  byRules(step: () => boolean): boolean {
    const before = this.#byRules;
    this.#byRules = 0;
    this.#isByRules = true;
    try {
      const more = step();
      // A step that did not get to the end may not have come to what waits.
      if (more) this.#byRules = Math.max(this.#byRules, before);
      return more;
    } finally {
      this.#isByRules = false;
      this.#tell();
    }
  }

  byRequest<T>(step: () => T): T {
    try {
      return step();
    } finally {
      this.#tell();
    }
  }

  /** The archiver takes flushed events only: others may be lost, and their sequences given to other events. */
  #tell(): void {
    const words = this.#words;
    const wanted = Math.max(this.#byRules, this.#byRequest);
    const isWaiting = wanted > words.through;
    if (isWaiting && this.#log.syncedHead < wanted) void this.#log.commit(true, []);
    words.synced = this.#log.syncedHead;
    words.wanted = isWaiting ? wanted : 0;
    if (!isWaiting) words.waitsSince = 0;
    else if (words.waitsSince === 0) words.waitsSince = Date.now();
  }
}

/** Puts what the archive has into the shard's counters, which every thread sees. */
export function noteArchive(control: ShardControl, archive: ArchiveLink | undefined): void {
  if (archive === undefined) return;
  const { counters } = control;
  const { words } = archive;
  counters[ShardCounter.archives] = 1;
  counters[ShardCounter.archiveThrough] = words.through;
  counters[ShardCounter.archiveSegments] = words.segments;
  counters[ShardCounter.archiveBytes] = words.bytes;
  counters[ShardCounter.archiveEvents] = words.events;
  counters[ShardCounter.archiveFailingSince] = words.failingSince;
  counters[ShardCounter.archiveWaitsSince] = words.waitsSince;
  counters[ShardCounter.archiveLeftThrough] = archive.leftThrough;
}
