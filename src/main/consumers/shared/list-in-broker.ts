import { BusError } from '../../../protocol/errors.js';
import type { SharedText } from '../../../store/consumer-broker.js';
import { type ConsumerListText, EMPTY_CONSUMER_LIST } from '../../../store/consumer-list.js';

/**
 * The list of durable consumers as the owner has it: read when it takes over, and replaced in the broker with each change.
 */
export class ListInBroker implements ConsumerListText {
  readonly file = 'the list of consumers in the broker';
  readonly #text: SharedText;
  readonly #onLost: () => void;
  #version: number;
  #read: string | undefined;

  private constructor(
    text: SharedText,
    version: number,
    read: string | undefined,
    onLost: () => void,
  ) {
    this.#onLost = onLost;
    this.#text = text;
    this.#version = version;
    this.#read = read;
  }

  /**
   * Reads the list, and replaces it by the same one: from then on an owner of before can replace it no more, however late it
   * comes.
   * @param onLost called when another node has replaced the list
   */
  static async open(text: SharedText, onLost: () => void): Promise<ListInBroker> {
    for (;;) {
      const { version, text: read } = await text.read();
      const taken = await text.replace(version, read ?? EMPTY_CONSUMER_LIST);
      if (taken !== undefined) return new ListInBroker(text, taken, read, onLost);
    }
  }

  read(): string | undefined {
    return this.#read;
  }

  /** @throws BusError `SHARD_RESTARTED` if another node owns the list by now, `STORE_FULL`, `STORE_FAILED` */
  async write(text: string): Promise<void> {
    const version = await this.#text.replace(this.#version, text);
    if (version === undefined) {
      this.#onLost();
      throw new BusError('SHARD_RESTARTED', 'another node serves the consumers now');
    }
    this.#version = version;
    this.#read = text;
  }
}
