import type { Database, Statement } from '../driver/driver.js';

type Place = [time: number, number: number];

/**
 * The first time in a table whose rows are ordered by time and number, read again only after the table has changed. Rows
 * that cannot be dealt with are left aside, so that their times do not come again and again. The thread that owns the log.
 */
export class FirstTime {
  readonly #first: Statement<[number], Place>;
  readonly #passedOver = new Set<number>();
  #value = 0;
  #isStale = true;

  /** @param order the columns of time and number, as `due_at, number` */
  constructor(database: Database, table: string, order: string) {
    this.#first = database
      .prepare<[number], Place>(`SELECT ${order} FROM ${table} ORDER BY ${order} LIMIT ?`)
      .raw();
  }

  /** ms since 1970; `Infinity` if no row is left. */
  get value(): number {
    if (this.#isStale) {
      const firsts = this.#first.all(this.#passedOver.size + 1);
      const first = firsts.find(([, number]) => !this.#passedOver.has(number));
      this.#value = first?.[0] ?? Number.POSITIVE_INFINITY;
      this.#isStale = false;
    }
    return this.#value;
  }

  /** The table has changed, or a change of it is undone. */
  changed(): void {
    this.#isStale = true;
  }

  /** Leaves the row with this number aside from now on. */
  passOver(number: number): void {
    this.#passedOver.add(number);
    this.#isStale = true;
  }

  isPassedOver(number: number): boolean {
    return this.#passedOver.has(number);
  }
}
