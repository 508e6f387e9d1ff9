/** What Redis keeps and carries for durable consumers: the `ConsumerBrokerModule` of `redisStore`. */
import { MIB } from '../../../protocol/limits/units.js';
import type {
  ConsumerBroker,
  ConsumerJournal,
  SharedText,
  SharedTextName,
} from '../../consumer-broker.js';
import type { RedisAddress } from '../redis-address.js';
import { RedisLink } from '../redis-link.js';
import { Post } from './post.js';
import { RedisJournal } from './redis-journal.js';
import { REPLACE } from './scripts.js';

export async function openConsumerBroker(options: unknown): Promise<ConsumerBroker> {
  const address = options as RedisAddress;
  const post = await Post.open(address.options);
  return new RedisConsumers(address, await RedisLink.open(address.options), post);
}

class RedisConsumers implements ConsumerBroker {
  readonly messageBytesMax = MIB;
  readonly #address: RedisAddress;
  readonly #link: RedisLink;
  readonly #post: Post;

  constructor(address: RedisAddress, link: RedisLink, post: Post) {
    this.#address = address;
    this.#link = link;
    this.#post = post;
  }

  journal(shard: number): ConsumerJournal {
    return new RedisJournal(this.#link, this.#address, shard);
  }

  text(name: SharedTextName): SharedText {
    const key = `{${this.#address.options.prefix}}:consumers:${name}`;
    return {
      read: async () => {
        const reply = await this.#link.command({}, 'HMGET', key, 'version', 'text');
        const [version, text] = reply as (Buffer | null)[];
        return { version: Number(version ?? 0), text: text?.toString() };
      },
      replace: async (version, text) => {
        const replaced = await this.#link.script({}, REPLACE, [key], [version, text]);
        return replaced === 1 ? version + 1 : undefined;
      },
    };
  }

  listen(address: string, onMessage: (message: Uint8Array) => void): Promise<() => void> {
    return this.#post.listen(address, onMessage);
  }

  send(address: string, message: Uint8Array): void {
    this.#post.send(address, message);
  }

  close(): void {
    this.#post.close();
    this.#link.close();
  }
}
