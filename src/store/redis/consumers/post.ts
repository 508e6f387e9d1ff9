import { ulid } from 'ulid';
import { storeKey } from '../keys.js';
import { makeClient, type RedisClient } from '../redis-client.js';
import type { ParsedRedisOptions } from '../redis-options.js';

/** How often something is sent over a connection on which nothing else may come, ms: Redis may have gone without a word. */
const SIGN_MS = 1000;
const RETRY_MS = 20;

/**
 * Messages between threads of all nodes, over Redis's publish and subscribe: one connection sends, another one receives. What is
 * sent while one of them is down is lost.
 */
export class Post {
  readonly #sender: RedisClient;
  readonly #receiver: RedisClient;
  readonly #prefix: string;
  readonly #listeners = new Map<string, (message: Uint8Array) => void>();
  readonly #signs: NodeJS.Timeout;
  #isClosed = false;

  private constructor(sender: RedisClient, receiver: RedisClient, prefix: string) {
    this.#sender = sender;
    this.#receiver = receiver;
    this.#prefix = prefix;
    // A lost connection is made again by the client, and that of the receiver subscribes again.
    for (const client of [sender, receiver]) {
      const connect = (): void => void client.connect().catch(() => {});
      client.on('error', () => {});
      client.on('end', () => {
        if (!this.#isClosed) connect();
      });
      connect();
    }
    receiver.on('messageBuffer', (channel, message) => {
      this.#listeners.get(String(channel))?.(message as Buffer);
    });
    const own = this.#channelOf(ulid());
    void this.#subscribe(own);
    this.#signs = setInterval(() => this.#publish(own, Buffer.alloc(0)), SIGN_MS);
    this.#signs.unref();
  }

  static async open(options: ParsedRedisOptions): Promise<Post> {
    // The nodes of a cluster tell each other what is published at any of them.
    const key = storeKey(options.prefix);
    const clients = await Promise.all([makeClient(options, key), makeClient(options, key)]);
    const post = new Post(...clients, options.prefix);
    while (post.#sender.status !== 'ready') await soon();
    return post;
  }

  async listen(address: string, onMessage: (message: Uint8Array) => void): Promise<() => void> {
    const channel = this.#channelOf(address);
    this.#listeners.set(channel, onMessage);
    await this.#subscribe(channel);
    return () => {
      this.#listeners.delete(channel);
      this.#receiver.unsubscribe(channel).catch(() => {});
    };
  }

  send(address: string, message: Uint8Array): void {
    const bytes = Buffer.from(message.buffer, message.byteOffset, message.length);
    this.#publish(this.#channelOf(address), bytes);
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#signs);
    this.#sender.disconnect();
    this.#receiver.disconnect();
  }

  #channelOf(address: string): string {
    return `${this.#prefix}:post:${address}`;
  }

  #publish(channel: string, message: Buffer): void {
    if (this.#sender.status !== 'ready') return;
    this.#sender.callBuffer('PUBLISH', channel, message).catch(() => {});
  }

  /** Tries until it has subscribed. */
  async #subscribe(channel: string): Promise<void> {
    while (!this.#isClosed) {
      try {
        if (this.#receiver.status === 'ready') {
          await this.#receiver.subscribe(channel);
          return;
        }
      } catch {
        // The connection was lost meanwhile.
      }
      await soon();
    }
  }
}

function soon(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, RETRY_MS));
}
