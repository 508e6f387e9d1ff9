import {
  hashOfPayload,
  type PayloadFiles,
  type PayloadReference,
} from '../../directory/payload-files.js';
import type { Database, Statement } from '../driver/driver.js';
import { damagedEvent } from '../rows/damaged-event.js';
import { parseReference, referenceText } from '../rows/payload-reference.js';
import { ROW_FLAG_PAYLOAD_IN_FILE } from '../tables/tables.js';
import { LeftoverFiles } from './leftover-files.js';
import type { PayloadTable } from './payload-table.js';

/** The bound that the log's file and the files beside it share. */
export interface RoomBeside {
  /** Bytes of all payload files. */
  bytesBeside: number;
  /** Whether payload files of so many bytes are within the bound. */
  fitsBeside(bytes: number): boolean;
}

export interface ClaimedPayloadsOptions {
  readonly table: PayloadTable;
  readonly files: PayloadFiles;
  /** Payloads of more bytes go to files. */
  readonly over: number;
  readonly room: RoomBeside;
}

/** A file that the open batch needs. */
interface Pending {
  /** Of the record, which stays as it is until the batch is committed. */
  readonly payload: Uint8Array;
  /** No row of the table had it before the batch. */
  readonly isNew: boolean;
}

/**
 * The log's payloads in files: takes those of the open batch, and releases those of events that are removed. A file is
 * written and flushed, name and all, before the commit of the first row that refers to it. See docs/adr/0057.
 */
export class ClaimedPayloads {
  readonly leftovers = new LeftoverFiles();
  readonly #file: string;
  readonly #table: PayloadTable;
  readonly #files: PayloadFiles;
  readonly #over: number;
  readonly #room: RoomBeside;
  readonly #references: Statement<[number, number], [sequence: number, text: string]>;
  readonly #pending = new Map<string, Pending>();
  readonly #written: string[] = [];
  #isCommitting = false;

  constructor(database: Database, { table, files, over, room }: ClaimedPayloadsOptions) {
    this.#file = database.name;
    this.#table = table;
    this.#files = files;
    this.#over = over;
    this.#room = room;
    room.bytesBeside = table.bytes;
    this.#references = database
      .prepare<[number, number], [number, string]>(
        `SELECT sequence, CAST(payload AS TEXT) FROM events
         WHERE sequence BETWEEN ? AND ? AND flags & ${ROW_FLAG_PAYLOAD_IN_FILE}`,
      )
      .raw();
  }

  /** Whether any event may have its payload in a file. */
  get holds(): boolean {
    return this.#table.count > 0;
  }

  /** The reference that the row of an event of the batch keeps; `undefined` if its payload stays in the row. */
  claim(payload: Uint8Array): Uint8Array | undefined {
    const { length } = payload;
    if (length <= this.#over) return undefined;
    const reference: PayloadReference = { hash: hashOfPayload(payload), length };
    const state = this.#table.stateOf(reference);
    if (state === 'damaged') return undefined;
    if (state === 'none' && !this.#room.fitsBeside(this.#table.bytes + length)) return undefined;
    this.#table.take(reference);
    this.#room.bytesBeside = this.#table.bytes;
    // A file without events may be gone, or be of a batch that failed: it is written anew.
    if (state !== 'used') this.#pending.set(reference.hash, { payload, isNew: state === 'none' });
    return Buffer.from(referenceText(reference));
  }

  /** Writes the batch's files, in its transaction. */
  finish(): void {
    for (const [hash, { payload }] of this.#pending) {
      this.#written.push(hash);
      this.#files.write(hash, payload);
    }
    if (this.#written.length > 0) this.#files.flushNames(this.#written);
    this.writeCount();
  }

  /** Writes the number of files that the table has, in a transaction. */
  writeCount(): void {
    this.#table.finish();
  }

  /** The batch is about to be committed: if that fails, it may be there all the same. */
  committing(): void {
    this.#isCommitting = true;
  }

  /** The batch, or a removal, is committed. */
  commit(): void {
    this.#table.commit();
    this.#end();
    this.leftovers.noteCommit();
  }

  /** The batch, or a removal, is undone, or about to be. */
  rollback(): void {
    this.#table.rollback();
    for (const hash of this.#written) {
      if (this.#isCommitting) this.leftovers.add(hash);
      else if (this.#pending.get(hash)!.isNew && !this.leftovers.mayHave(hash)) {
        // The table still has the others, as files that wait to be removed.
        this.#files.discard(this.#files.locate(hash));
      }
    }
    this.#end();
  }

  /**
   * Takes the references off that the rows `first` to `last` have, which are about to be deleted. In a transaction.
   * @throws BusError `STORE_CORRUPT` at an event whose reference or file is not what the table says
   */
  release(first: number, last: number): void {
    for (const [sequence, text] of this.#references.all(first, last)) {
      const reference = parseReference(text);
      if (reference !== undefined && this.#table.release(reference)) continue;
      const reason = ": the table payload_files does not have its payload's file";
      throw damagedEvent(this.#file, sequence, `${reason}, and nothing from there on is pruned`);
    }
  }

  #end(): void {
    this.#pending.clear();
    this.#written.length = 0;
    this.#room.bytesBeside = this.#table.bytes;
    this.#isCommitting = false;
  }
}
