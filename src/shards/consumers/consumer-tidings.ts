/** What has become of a consumer since the shard last told main, bounded. */
import type { ShardBlocked } from '../../link/consumer-shapes.js';
import { CONSUMER_BLOCKED_MS, CONSUMER_NEWS_MAX } from '../../protocol/limits/consumers.js';

export class ConsumerTidings {
  deadCount = 0;
  dead: number[] = [];
  gaps: [from: number, to: number][] = [];
  /** What main was told last, and what is so now and since when. */
  #told: ShardBlocked | undefined;
  #found: ShardBlocked | undefined;
  #foundAt = 0;

  get hasAny(): boolean {
    return this.deadCount > 0 || this.gaps.length > 0;
  }

  /** It is blocked, or not, otherwise than main was told. */
  get isWatching(): boolean {
    return this.#found?.reason !== this.#told?.reason;
  }

  died(sequence: number): void {
    this.deadCount++;
    if (this.dead.length < CONSUMER_NEWS_MAX) this.dead.push(sequence);
  }

  gap(from: number, to: number): void {
    const last = this.gaps.at(-1);
    if (last !== undefined && from === last[1] + 1) last[1] = to;
    else if (this.gaps.length < CONSUMER_NEWS_MAX) this.gaps.push([from, to]);
  }

  /** Takes what the consumer's state is now. Returns it to be told once it has lasted; undefined: nothing is to tell. */
  blocked(now: number, blocked: ShardBlocked | undefined): ShardBlocked | null | undefined {
    if (blocked?.reason !== this.#found?.reason) this.#foundAt = now;
    this.#found = blocked;
    if (!this.isWatching || now - this.#foundAt < CONSUMER_BLOCKED_MS) return undefined;
    this.#told = blocked;
    return blocked ?? null;
  }

  clear(): void {
    this.deadCount = 0;
    this.dead = [];
    this.gaps = [];
  }
}
