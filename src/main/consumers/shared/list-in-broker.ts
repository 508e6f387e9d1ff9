import { BusError } from '../../../protocol/errors.js';
import type { SharedText } from '../../../store/consumer-broker.js';
import type { ConsumerListText } from '../../../store/consumer-list.js';

/**
 * The list of durable consumers as the owner has it: read when it takes over, and replaced in the broker with each change.
 */
export class ListInBroker implements ConsumerListText {
  readonly file = 'the list of consumers in the broker';
  readonly #text: SharedText;
  #version: number;
  #read: string | undefined;

  private constructor(text: SharedText, version: number, read: string | undefined) {
    this.#text = text;
    this.#version = version;
    this.#read = read;
  }

  static async open(text: SharedText): Promise<ListInBroker> {
    const { version, text: read } = await text.read();
    return new ListInBroker(text, version, read);
  }

  read(): string | undefined {
    return this.#read;
  }

  /** @throws BusError `SHARD_RESTARTED` if another node owns the list by now, `STORE_FULL`, `STORE_FAILED` */
  async write(text: string): Promise<void> {
    const version = await this.#text.replace(this.#version, text);
    if (version === undefined) {
      throw new BusError('SHARD_RESTARTED', 'another node serves the consumers now');
    }
    this.#version = version;
    this.#read = text;
  }
}
