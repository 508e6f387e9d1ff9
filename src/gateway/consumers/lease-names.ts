import type { KnownConsumer } from '../../endpoint/internals.js';
import { LEASE_NAMES_MAX, LEASE_NAMES_PER_TURN } from '../../protocol/limits/consumers.js';
import { Paced } from '../paced.js';

/**
 * The names of consumers by the ids in the texts of leases; an id is of one name for ever. Anybody may send any text as
 * that of a lease, and often, so those who ask for ids that are not known share one look at all consumers, and go on a few
 * at a time. A gateway has one; one thread uses it.
 */
export class LeaseNames {
  readonly #all: () => Promise<readonly KnownConsumer[]>;
  readonly #names = new Map<string, string>();
  readonly #paced = new Paced(LEASE_NAMES_PER_TURN);
  #looking: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  /** `all` lists the consumers of the bus. */
  constructor(all: () => Promise<readonly KnownConsumer[]>) {
    this.#all = all;
  }

  remember({ id, name }: KnownConsumer): void {
    if (this.#names.size >= LEASE_NAMES_MAX && !this.#names.has(id)) this.#names.clear();
    this.#names.set(id, name);
  }

  /** Undefined: there is no consumer of this id. @throws BusError as the list of consumers */
  async nameOf(id: string): Promise<string | undefined> {
    if (!this.#names.has(id)) {
      await this.#look();
      await this.#paced.pass();
    }
    return this.#names.get(id);
  }

  /** A look that is under way may have begun before the consumer was made, so it does not count: the next one does. */
  #look(): Promise<void> {
    if (this.#looking === undefined) {
      this.#looking = this.#lookNow().finally(() => {
        this.#looking = undefined;
      });
      return this.#looking;
    }
    this.#next ??= this.#looking
      .catch(() => {})
      .then(() => {
        this.#next = undefined;
        return this.#look();
      });
    return this.#next;
  }

  async #lookNow(): Promise<void> {
    for (const one of await this.#all()) this.remember(one);
  }
}
