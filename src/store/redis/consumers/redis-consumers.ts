/** What Redis keeps and carries for durable consumers: the `ConsumerBrokerModule` of `redisStore`. */
import { MIB } from '../../../protocol/limits/units.js';
import type {
  ConsumerBroker,
  ConsumerJournal,
  SharedText,
  SharedTextName,
} from '../../consumer-broker.js';
import { journalKeys, sharedTextKey, storeKey } from '../keys.js';
import type { RedisAddress } from '../redis-address.js';
import { RedisLink } from '../redis-link.js';
import { Post } from './post.js';
import { RedisJournal } from './redis-journal.js';
import { runReplicated } from './replicated.js';
import { REPLACE } from './scripts.js';

export async function openConsumerBroker(options: unknown): Promise<ConsumerBroker> {
  const address = options as RedisAddress;
  const post = await Post.open(address);
  const link = await RedisLink.open(address.options, storeKey(address.options.prefix));
  return new RedisConsumers(address, link, post);
}

class RedisConsumers implements ConsumerBroker {
  readonly messageBytesMax = MIB;
  readonly #address: RedisAddress;
  readonly #link: RedisLink;
  readonly #post: Post;
  /** To the nodes of a cluster that have journals. */
  readonly #links: Promise<RedisLink>[] = [];

  constructor(address: RedisAddress, link: RedisLink, post: Post) {
    this.#address = address;
    this.#link = link;
    this.#post = post;
  }

  journal(shard: number): ConsumerJournal {
    return new RedisJournal(this.#linkTo(shard), this.#address, shard);
  }

  text(name: SharedTextName): SharedText {
    const key = sharedTextKey(this.#address.options.prefix, name);
    return {
      read: async () => {
        const reply = await this.#link.command({}, 'HMGET', key, 'version', 'text');
        const [version, text] = reply as (Buffer | null)[];
        return { version: Number(version ?? 0), text: text?.toString() };
      },
      replace: async (version, text) => {
        const args = [version, text];
        const replaced = await runReplicated(this.#link, this.#address, REPLACE, [key], args);
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

  async close(): Promise<void> {
    this.#post.close();
    this.#link.close();
    for (const link of await Promise.all(this.#links)) link.close();
  }

  #linkTo(shard: number): Promise<RedisLink> {
    const { options } = this.#address;
    if (options.cluster === undefined) return Promise.resolve(this.#link);
    const link = RedisLink.open(options, journalKeys(options.prefix, shard).state);
    this.#links.push(link);
    return link;
  }
}
