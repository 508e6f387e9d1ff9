/** What a broker in memory keeps and carries for durable consumers: the `ConsumerBrokerModule` of `BrokerStore`. */
import { BroadcastChannel } from 'node:worker_threads';
import { ulid } from 'ulid';
import { BusError } from '../../protocol/errors.js';
import { MIB } from '../../protocol/limits/units.js';
import {
  type ConsumerBroker,
  type ConsumerJournal,
  OwnerChanged,
  type SharedText,
  type SharedTextName,
  type VersionedText,
} from '../../store/consumer-broker.js';
import { BrokerLink } from './broker-link.js';
import type { BrokerAddress, BrokerCall } from './messages.js';

/** Texts belong to no shard. */
const ANY_SHARD = 0;

export function openConsumerBroker(options: unknown): ConsumerBroker {
  return new ConsumersInMemory(options as BrokerAddress);
}

interface Letter {
  readonly to: string;
  readonly message: Uint8Array;
}

class ConsumersInMemory implements ConsumerBroker {
  readonly messageBytesMax = MIB;
  readonly #link: BrokerLink;
  readonly #post: BroadcastChannel;
  readonly #listeners = new Map<string, (message: Uint8Array) => void>();

  constructor(address: BrokerAddress) {
    this.#link = new BrokerLink(address);
    this.#post = new BroadcastChannel(`${address.channel}-post`);
    this.#post.onmessage = (event) => {
      const { to, message } = (event as MessageEvent).data as Letter;
      this.#listeners.get(to)?.(message);
    };
    // Neither keeps a process: who waits for an answer does.
    this.#post.unref();
    this.#link.unref();
  }

  journal(shard: number): ConsumerJournal {
    const owner = ulid();
    const change = async (call: BrokerCall): Promise<void> => {
      try {
        await this.#link.call(shard, call);
      } catch (error) {
        if (error instanceof BusError && error.code === 'CONFLICT') throw new OwnerChanged();
        throw error;
      }
    };
    return {
      take: () => this.#link.call<readonly Uint8Array[]>(shard, { call: 'takeJournal', owner }),
      append: (entry) => change({ call: 'appendJournal', owner, entry }),
      compact: (snapshot) => change({ call: 'compactJournal', owner, snapshot: [...snapshot] }),
    };
  }

  text(name: SharedTextName): SharedText {
    return {
      read: () => this.#link.call<VersionedText>(ANY_SHARD, { call: 'readText', name }),
      replace: async (version, text) => {
        const call = { call: 'replaceText', name, version, text } as const;
        return (await this.#link.call<{ replaced: number | undefined }>(ANY_SHARD, call)).replaced;
      },
    };
  }

  async listen(address: string, onMessage: (message: Uint8Array) => void): Promise<() => void> {
    this.#listeners.set(address, onMessage);
    return () => this.#listeners.delete(address);
  }

  send(address: string, message: Uint8Array): void {
    const letter: Letter = { to: address, message };
    this.#post.postMessage(letter);
    // A channel does not hear itself.
    const own = this.#listeners.get(address);
    if (own !== undefined) setImmediate(() => own(Uint8Array.from(message)));
  }

  close(): void {
    this.#post.close();
    this.#link.close();
  }
}
