import { ulid } from 'ulid';
import { elapsedMs } from '../../../threads/elapsed.js';
import { storeKey } from '../keys.js';
import type { RedisAddress } from '../redis-address.js';
import { makeClient, type RedisClient } from '../redis-client.js';
import { isPassing, storeError } from '../redis-errors.js';
import { placeOf } from '../redis-options.js';

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
  readonly #id = ulid();
  readonly #idleTimeoutMs: number;
  #heardAt = elapsedMs();
  readonly #prefix: string;
  /** Stands in errors. */
  readonly #place: string;
  readonly #listeners = new Map<string, (message: Uint8Array) => void>();
  readonly #signs: NodeJS.Timeout;
  #isClosed = false;

  private constructor(
    sender: RedisClient,
    receiver: RedisClient,
    { options, epoch }: RedisAddress,
  ) {
    this.#sender = sender;
    this.#receiver = receiver;
    // Channels belong to no database, and the histories of two databases may have the same prefix.
    this.#prefix = `${options.prefix}:${epoch}`;
    this.#idleTimeoutMs = options.idleTimeoutMs;
    this.#place = placeOf(options);
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
      this.#heardAt = elapsedMs();
      this.#listeners.get(String(channel))?.(message as Buffer);
    });
    receiver.on('ready', () => {
      this.#heardAt = elapsedMs();
      for (const channel of [this.#own, ...this.#listeners.keys()]) {
        // A refusal was told when it was subscribed first; a lost connection is made again.
        this.#subscribe(channel).catch(() => {});
      }
    });
    this.#signs = setInterval(() => this.#giveSign(), SIGN_MS);
    this.#signs.unref();
  }

  /** To itself, so that it hears when its receiving connection is dead. */
  #giveSign(): void {
    this.#publish(this.#own, Buffer.alloc(0));
    const isDeaf = elapsedMs() - this.#heardAt > this.#idleTimeoutMs + SIGN_MS;
    if (isDeaf && this.#receiver.status === 'ready') this.#receiver.disconnect(true);
  }

  /** @throws BusError `STORE_FAILED` if the user lacks a right */
  static async open(address: RedisAddress): Promise<Post> {
    const { options } = address;
    // The nodes of a cluster tell each other what is published at any of them.
    const key = storeKey(options.prefix);
    const clients = await Promise.all([makeClient(options, key), makeClient(options, key)]);
    const post = new Post(...clients, address);
    try {
      await post.#begin();
    } catch (error) {
      post.close();
      throw error;
    }
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

  /** Ready to send, with the rights to do so. */
  async #begin(): Promise<void> {
    await this.#subscribe(this.#own);
    await this.#tryAgain(this.#sender, (client) => client.callBuffer('PUBLISH', this.#own, ''));
  }

  /** A channel on which nobody else sends. */
  get #own(): string {
    return this.#channelOf(this.#id);
  }

  #channelOf(address: string): string {
    return `${this.#prefix}:post:${address}`;
  }

  #publish(channel: string, message: Buffer): void {
    if (this.#sender.status !== 'ready') return;
    this.#sender.callBuffer('PUBLISH', channel, message).catch(() => {});
  }

  #subscribe(channel: string): Promise<void> {
    return this.#tryAgain(this.#receiver, (client) => client.subscribe(channel));
  }

  /** Tries until it succeeds. @throws BusError what Redis refuses for good */
  async #tryAgain(
    client: RedisClient,
    work: (client: RedisClient) => Promise<unknown>,
  ): Promise<void> {
    while (!this.#isClosed) {
      try {
        if (client.status === 'ready') {
          await work(client);
          return;
        }
      } catch (error) {
        if (!isPassing(error)) throw storeError(error, this.#place);
      }
      await soon();
    }
  }
}

function soon(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, RETRY_MS));
}
