import { RedisLink } from './redis-link.js';
import type { ParsedRedisOptions } from './redis-options.js';

/** The links of one thread: one for all keys, or in a cluster one for each key, as its node may fail by itself. */
export class RedisLinks {
  readonly #byKey: ReadonlyMap<string, RedisLink>;
  readonly #own: readonly RedisLink[];

  private constructor(byKey: ReadonlyMap<string, RedisLink>, own: readonly RedisLink[]) {
    this.#byKey = byKey;
    this.#own = own;
  }

  /** `link` serves all keys where there is no cluster, and stays open. Default: one that is opened and closed here. */
  static async open(
    options: ParsedRedisOptions,
    keys: readonly string[],
    link?: RedisLink,
  ): Promise<RedisLinks> {
    const isCluster = options.cluster !== undefined;
    if (!isCluster && link !== undefined) {
      return new RedisLinks(new Map(keys.map((key) => [key, link])), []);
    }
    const opened = await Promise.all(
      keys.slice(0, isCluster ? keys.length : 1).map((key) => RedisLink.open(options, key)),
    );
    const byKey = new Map(keys.map((key, index) => [key, opened[isCluster ? index : 0]!]));
    return new RedisLinks(byKey, opened);
  }

  of(key: string): RedisLink {
    return this.#byKey.get(key)!;
  }

  get all(): readonly RedisLink[] {
    return [...new Set(this.#byKey.values())];
  }

  close(): void {
    for (const link of this.#own) link.close();
  }
}
