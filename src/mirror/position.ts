import { existsSync, readFileSync } from 'node:fs';
import { BusError } from '../protocol/errors.js';
import { messageOf } from '../protocol/thrown.js';
import { replaceFile } from '../store/directory/files.js';

/** Where in the remote history a mirror's log ends. */
export interface Position {
  /** Of the remote subscription; undefined: it begins at the earliest event. */
  readonly cursor: string | undefined;
  /** The sequence that the log had at this cursor: what lies behind it comes again. */
  readonly head: number;
}

/** The file `position.json`. */
export class PositionFile {
  readonly #file: string;
  /** A log is of one remote bus and of some of its topics: with others its position would mean nothing. */
  readonly #of: string;

  constructor(file: string, there: string, topics: readonly string[]) {
    this.#file = file;
    this.#of = JSON.stringify({ there, topics: topics.toSorted() });
  }

  /** @throws BusError `STORE_CORRUPT`, or `OPTION_INVALID` if the log is of another bus or of other topics */
  read(): Position {
    if (!existsSync(this.#file)) return { cursor: undefined, head: 0 };
    const { cursor, head, of } = this.#parsed();
    if (of !== this.#of) {
      const message = `${this.#file}: the mirror is of ${of}, not of ${this.#of}: take another directory`;
      throw new BusError('OPTION_INVALID', message);
    }
    return { cursor, head };
  }

  /** @throws the error of the system */
  write(position: Position): void {
    replaceFile(this.#file, `${JSON.stringify({ ...position, of: this.#of })}\n`);
  }

  #parsed(): Position & { readonly of: string } {
    try {
      const { cursor, head, of } = JSON.parse(readFileSync(this.#file, 'utf8'));
      const isCursor = cursor === undefined || typeof cursor === 'string';
      if (isCursor && Number.isInteger(head) && typeof of === 'string') return { cursor, head, of };
      throw new Error('a field is missing');
    } catch (error) {
      throw new BusError('STORE_CORRUPT', `${this.#file}: ${messageOf(error)}`, { cause: error });
    }
  }
}
