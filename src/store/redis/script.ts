import { createHash } from 'node:crypto';
import type { RedisClient } from './redis-client.js';
import { replyCode } from './redis-errors.js';

type Argument = string | number | Buffer;

/** A Lua script. Redis keeps those that it knows, and forgets them when it starts. */
export class Script {
  readonly #text: string;
  readonly #hash: string;

  constructor(text: string) {
    this.#text = text;
    this.#hash = createHash('sha1').update(text).digest('hex');
  }

  async run(
    client: RedisClient,
    keys: readonly string[],
    args: readonly Argument[],
  ): Promise<unknown> {
    try {
      return await client.callBuffer('EVALSHA', this.#hash, keys.length, ...keys, ...args);
    } catch (error) {
      if (replyCode(error) !== 'NOSCRIPT') throw error;
      return client.callBuffer('EVAL', this.#text, keys.length, ...keys, ...args);
    }
  }

  /** Runs it and then `WAIT`, on one connection and, in a cluster, on the node of the keys. */
  async runAndWait(
    client: RedisClient,
    keys: readonly string[],
    args: readonly Argument[],
    replicas: number,
    waitMs: number,
  ): Promise<[reply: unknown, replicas: number]> {
    const pipeline = client.pipeline();
    // With its text, as a hash that Redis does not know would come to light behind the `WAIT`.
    pipeline.callBuffer('EVAL', this.#text, keys.length, ...keys, ...args);
    pipeline.callBuffer('WAIT', replicas, waitMs);
    const [ran, waited] = (await pipeline.exec()) ?? [];
    const error = ran?.[0] ?? waited?.[0];
    if (error) throw error;
    return [ran![1], waited![1] as number];
  }
}
