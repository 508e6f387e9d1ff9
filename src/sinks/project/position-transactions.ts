import type { SinkLife } from '../sink-life.js';
import { drive, type Steps } from './drive.js';
import { Position } from './position.js';
import type { ProjectionStore } from './projection-store.js';

/** What a transaction does: it writes, and says the position that is committed with it. */
export type TransactionBody = (
  transaction: unknown,
  stored: Position | undefined,
) => Steps<Position>;

/** Transactions of a store that read and replace the position of one projection. */
export class PositionTransactions {
  readonly #store: ProjectionStore;
  readonly #life: SinkLife;

  constructor(store: ProjectionStore, life: SinkLife) {
    this.#store = store;
    this.#life = life;
  }

  /** Runs to the commit or the rollback; in one turn if the store and the body are synchronous. */
  async run(body: TransactionBody): Promise<Position> {
    return drive(this.#steps(body));
  }

  /** Replaces the position alone. */
  change(of: (stored: Position | undefined) => Position): Promise<Position> {
    // biome-ignore lint/correctness/useYield: there is nothing to wait for.
    return this.run(function* (_, stored) {
      return of(stored);
    });
  }

  *#steps(body: TransactionBody): Steps<Position> {
    const [store, { name }] = [this.#store, this.#life];
    const transaction = yield store.begin();
    try {
      const text = yield store.position(transaction, name);
      const stored = typeof text === 'string' ? Position.parse(text) : undefined;
      const position = yield* body(transaction, stored);
      yield store.commit(transaction, name, position.text);
      return position;
    } catch (error) {
      try {
        yield store.rollback(transaction);
      } catch (failure) {
        this.#life.tell(failure);
      }
      throw error;
    }
  }
}
