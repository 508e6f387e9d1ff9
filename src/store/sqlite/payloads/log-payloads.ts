import { PayloadFiles } from '../../directory/payload-files.js';
import type { Database } from '../driver/driver.js';
import { ClaimedPayloads, type RoomBeside } from './claimed-payloads.js';
import { PayloadTable } from './payload-table.js';
import { PayloadUpkeep } from './payload-upkeep.js';

export interface LogPayloadsOptions {
  /** Payloads of more bytes go to files. Default, and of a log in memory: none does. */
  readonly over?: number | undefined;
  readonly room: RoomBeside;
  readonly holds?: Int32Array | undefined;
  /** For tests. Default: the files beside the log. */
  readonly files?: PayloadFiles | undefined;
}

/** The parts of a log that have to do with payloads in files. */
export class LogPayloads {
  readonly table: PayloadTable;
  readonly claimed: ClaimedPayloads;
  readonly upkeep: PayloadUpkeep;

  /** @throws BusError `STORE_CORRUPT` */
  constructor(database: Database, options: LogPayloadsOptions) {
    const { room, holds, files = new PayloadFiles(database.name) } = options;
    const over = database.memory ? undefined : options.over;
    const table = new PayloadTable(database);
    this.table = table;
    this.claimed = new ClaimedPayloads(database, {
      table,
      files,
      room,
      over: over ?? Number.POSITIVE_INFINITY,
    });
    const { leftovers } = this.claimed;
    this.upkeep = new PayloadUpkeep(database, { table, files, room, holds, leftovers });
  }
}
