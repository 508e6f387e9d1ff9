import { existsSync, statSync } from 'node:fs';
import { BusError } from '../../protocol/errors.js';
import type { Manifest } from '../directory/manifest.js';
import { type Mark, markFile, readMark } from '../directory/mark.js';
import { type Reserved, readUnflushedLimit } from '../directory/unflushed-limit.js';
import { assertWalIsSound, type WalScan } from '../directory/wal-scan.js';
import {
  type LogIdentity,
  META_DIRECTORY,
  META_EPOCH,
  META_OPEN,
  numberOfId,
} from './connection/log-identity.js';
import { openForReading, PAGE_BYTES, readHead, shardFile } from './connection/schema.js';
import { type Database, openDatabase } from './driver/driver.js';
import { storeError } from './driver/store-errors.js';
import { readMeta } from './tables/meta-table.js';

/**
 * The state in which a log was left, judged before anybody writes to it, and whether its history can go on.
 * docs/adr/0011 lists the states and how each opens, for every order of writes that a disk may choose.
 */
export interface LogState {
  readonly head: number;
  /** True if the process that made the directory ended before it made this log. Nothing was ever in it. */
  readonly isUnmade?: boolean;
  /** Set if events that readers saw are lost, or may be: the history ends here and another epoch begins. */
  readonly loss?: HistoryLoss;
}

export interface HistoryLoss {
  /** A sequence that readers saw, or may have seen, and that is lost. */
  readonly from: number;
  readonly reason: string;
}

/** Size of the smallest write-ahead log that holds anything: a header and one frame. */
const WAL_BYTES_LEAST = 32 + 24 + PAGE_BYTES;

export function identityOf({ id = '', epoch, isNew = false }: Manifest): LogIdentity {
  return { directory: numberOfId(id), epoch: numberOfId(epoch), isNew };
}

/**
 * Judges the log of a shard. Changes nothing.
 * @throws BusError `STORE_CORRUPT` if the log is missing, damaged or another directory's; `STORE_FAILED`
 */
export function examineLog(dir: string, manifest: Manifest, shard: number): LogState {
  const file = shardFile(dir, shard);
  try {
    return examine(file, manifest, shard);
  } catch (error) {
    throw storeError(error, file, 'examining');
  }
}

function examine(file: string, manifest: Manifest, shard: number): LogState {
  const mark = readMark(markFile(file));
  if (manifest.isNew === true && isBeingMade(file, mark)) return { head: 0, isUnmade: true };
  const size = statSync(file, { throwIfNoEntry: false })?.size;
  if (size === undefined || size === 0) {
    const isNew = manifest.isNew === true && (mark?.head ?? 0) === 0;
    if (isNew) return { head: 0, isUnmade: true };
    const what = size === undefined ? 'it is missing' : 'it is empty';
    throw corrupt(
      file,
      shard,
      mark === undefined ? what : `${what}; it once had ${mark.head} events`,
    );
  }
  const reserved = readUnflushedLimit(file);
  const wal = assertWalIsSound(file, mark, reserved);
  const database = openForReading(file, shard);
  try {
    return judge(new Evidence(database, file, manifest, shard, mark, reserved, wal));
  } finally {
    database.close();
  }
}

/**
 * Whether the making of the log was interrupted. SQLite makes a new file with a journal, and the tables come after; a
 * process that dies in between leaves a file that only a writer can go on with. A finished log has its tables, and
 * never has a journal again.
 */
function isBeingMade(file: string, mark: Mark | undefined): boolean {
  if ((mark?.head ?? 0) > 0 || !existsSync(file)) return false;
  if (existsSync(`${file}-journal`)) return true;
  const database = openDatabase(file, { readonly: true, fileMustExist: true });
  try {
    return database.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() === 0;
  } catch (error) {
    throw storeError(error, file, 'opening');
  } finally {
    database.close();
  }
}

class Evidence {
  readonly head: number;
  /** The ids that the log carries; 0 if it carries none, because it has an older format or was never taken into use. */
  readonly directory: number;
  readonly epoch: number;
  readonly isOpen: boolean;

  constructor(
    database: Database,
    readonly file: string,
    readonly manifest: Manifest,
    readonly shard: number,
    readonly mark: Mark | undefined,
    readonly reserved: Reserved | undefined,
    readonly wal: WalScan | undefined,
  ) {
    this.head = readHead(database);
    this.directory = readMeta(database, META_DIRECTORY);
    this.epoch = readMeta(database, META_EPOCH);
    this.isOpen = readMeta(database, META_OPEN) === 1;
  }
}

function judge(log: Evidence): LogState {
  const { head, file, shard, manifest } = log;
  const identity = identityOf(manifest);
  assertBelongs(log, identity);
  const known = manifest.heads?.[shard] ?? 0;
  if (log.epoch !== 0 && log.epoch !== identity.epoch) {
    // Opening the log would have given it the current epoch. So it was not open since then, and must end where that
    // epoch began.
    if (head > known) throw corrupt(file, shard, 'it is of another history of this directory');
    return head < known ? { head, loss: lossOf(known) } : { head };
  }
  const loss = head < known ? lossOf(known) : lossSince(log, identity);
  return loss === undefined ? { head } : { head, loss };
}

/** The loss in a log that was written in the current epoch. */
function lossSince(log: Evidence, { epoch }: LogIdentity): HistoryLoss | undefined {
  const { head, mark, manifest, isOpen } = log;
  const isMarked = mark !== undefined && (log.epoch === 0 || mark.epoch === epoch);
  if (isMarked && head < mark.head) return lossOf(mark.head);
  // Nobody publishes before every log of a new directory has its mark.
  if (manifest.isNew === true && head === 0 && (mark?.head ?? 0) === 0) return undefined;
  const loss = isOpen ? lossOfOpen(log, epoch) : undefined;
  if (loss !== undefined || isMarked || isVouchedFor(log)) return loss;
  return {
    from: head + 1,
    reason: 'its mark is gone, damaged or of another epoch, so nothing says how far it went',
  };
}

/**
 * Whether a log without a mark of this epoch lacks nothing. A log that was cut between two commits, or an older copy of
 * it, looks whole. A closed one has the head that the manifest kept. A log that is open without a mark may have gone on
 * from there; but where an epoch begins, the log is taken into use before the mark of the epoch before it is replaced.
 * A backup has no mark, and nothing behind its head.
 */
function isVouchedFor({ head, mark, manifest, shard, isOpen }: Evidence): boolean {
  if (manifest.backup !== undefined) return true;
  return head === manifest.heads?.[shard] && (!isOpen || mark !== undefined);
}

/** The loss that the files of a log show which nobody has closed. */
function lossOfOpen(log: Evidence, epoch: number): HistoryLoss | undefined {
  const { head, mark, reserved, file } = log;
  const wal = statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  if (wal < WAL_BYTES_LEAST && log.manifest.backup === undefined) {
    if (isCopied(log, epoch)) return undefined;
    return { from: head + 1, reason: 'its write-ahead log is gone' };
  }
  // These transactions may be commits that readers saw: they need not come from a failed commit, and the mark, which
  // does not count them, may be an older copy.
  if (log.wal?.broken?.isPastTransaction === true) {
    return {
      from: head + 1,
      reason: 'transactions lie behind a damaged frame of its write-ahead log',
    };
  }
  const isReserved =
    reserved !== undefined &&
    reserved.through > 0 &&
    (reserved.epoch === undefined || reserved.epoch === epoch);
  if (isReserved && mark?.isOfThisBoot !== true) {
    return { from: head + 1, reason: 'the power may have failed before all was flushed' };
  }
  return undefined;
}

/**
 * Whether SQLite itself has copied all of the missing write-ahead log into the file. It does so when the last connection
 * closes, which `process.exit()` and an uncaught error bring about, without a record that the log was closed. The mark
 * is written after each commit: the file that holds the commit it counts, and was written no earlier, lacks nothing. A
 * log that was removed otherwise leaves a file that is older than the mark, or ends below it.
 */
function isCopied({ head, mark, file }: Evidence, epoch: number): boolean {
  if (mark?.isOfThisBoot !== true || mark.epoch !== epoch || mark.head !== head) return false;
  const written = (path: string) => statSync(path, { bigint: true }).mtimeNs;
  return mark.walFrames === 0 || written(file) >= written(markFile(file));
}

function lossOf(from: number): HistoryLoss {
  return { from, reason: `it was committed up to ${from}` };
}

function assertBelongs(log: Evidence, identity: LogIdentity): void {
  const { file, shard, manifest, directory, epoch } = log;
  if (directory === 0 && (identity.isNew || manifest.id === undefined)) return;
  if (directory !== identity.directory) {
    throw corrupt(file, shard, 'it is the log of another directory');
  }
  const isKnown =
    epoch === identity.epoch || manifest.earlier.some((one) => numberOfId(one.epoch) === epoch);
  if (!isKnown) throw corrupt(file, shard, 'it is of a history that the manifest does not know');
}

function corrupt(file: string, shard: number, reason: string): BusError {
  const details = { file, shard, reason };
  return new BusError('STORE_CORRUPT', `${file}: ${reason}`, { details });
}
