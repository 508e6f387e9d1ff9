import { Worker } from 'node:worker_threads';
import { ArchiveWords } from '../link/archive-words.js';
import { BusError } from '../protocol/errors.js';
import { ARCHIVE_ATTACH_MS, ARCHIVE_CLOSE_MS } from '../protocol/limits/archive.js';
import { optionInvalid } from '../protocol/options.js';
import { messageOf } from '../protocol/thrown.js';
import type { HistoryAddress, KeptText, OpenStore } from '../store/log-store.js';
import { threadFlags } from '../threads/exec-argv.js';
import { threadModule } from '../threads/packed.js';
import { ARCHIVER_STOP, type ArchiverData, type ArchiverReport } from './archiver-mail.js';
import { isKnownPlace, notePlace } from './known-place.js';
import type { ArchivingRules } from './shard-archiver.js';
import type { ArchivePlace } from './targets/target.js';

const THREAD_URL = threadModule('archive/archiver-thread');
const HISTORY_URL = threadModule('archive/archive-history').href;
/** The pause before a thread that died is replaced, ms. */
const RESTART_MS = 1000;

export interface ArchiveSettings {
  readonly place: ArchivePlace;
  readonly rules: ArchivingRules;
}

export interface ArchiveFailures {
  /** How many there were that differ from the one before. */
  readonly count: number;
  readonly last: BusError | undefined;
  /** RFC 3339. */
  readonly lastAt: string | undefined;
}

/** The archive of an open bus, as the main thread sees it: it starts the thread that archives, and watches it. */
export class Archive {
  readonly place: ArchivePlace;
  /** History that begins in the archive and goes on in the logs. */
  readonly history: HistoryAddress;
  /** The log's note of where the archive is. */
  readonly #note: KeptText | undefined;
  #data: ArchiverData;
  #worker: Worker | undefined;
  #failed = 0;
  #lastError: BusError | undefined;
  #lastFailedAt: string | undefined;
  #isStopping = false;

  /** @throws BusError `OPTION_INVALID` if the store cannot have an archive */
  constructor({ place, rules }: ArchiveSettings, store: OpenStore) {
    this.place = place;
    const { history: log, lineage } = store;
    if (log === undefined || lineage === undefined) {
      throw optionInvalid('openBus', 'archive', 'needs a bus in a directory');
    }
    const words = Array.from({ length: store.shards }, () => ArchiveWords.create().buffer);
    const options = { log, place, lineage, words };
    this.#note = store.archivePlace;
    const isKnown = this.#note !== undefined && isKnownPlace(this.#note, place);
    this.#data = { ...options, rules, isKnown };
    this.history = { module: HISTORY_URL, options };
  }

  /** The memory that a shard shares with the archiver. */
  words(shard: number): SharedArrayBuffer {
    return this.#data.words[shard]!;
  }

  /**
   * Starts archiving. An archive that cannot be reached does not keep a bus from opening: retention waits for it.
   * @param onFailure gets each new failure
   * @throws BusError `OPTION_INVALID` if the archive is another history's, `ARCHIVE_FAILED` if the server of the archive
   * refuses this bus
   */
  async start(onFailure: (error: BusError) => void): Promise<void> {
    const onWarning = (error: BusError): void => {
      this.#failed++;
      this.#lastError = error;
      this.#lastFailedAt = new Date().toISOString();
      onFailure(error);
    };
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(resolve, ARCHIVE_ATTACH_MS);
      const settle = (error?: BusError): void => {
        clearTimeout(timer);
        if (error !== undefined && isRefusal(error)) reject(error);
        else resolve();
      };
      this.#spawn(onWarning, settle);
    });
  }

  /** What became of its attempts since the bus was opened. */
  get failures(): ArchiveFailures {
    return { count: this.#failed, last: this.#lastError, lastAt: this.#lastFailedAt };
  }

  /** Ends the thread. What it was about to archive is archived after the next opening. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    const worker = this.#worker;
    if (worker === undefined) return;
    const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    worker.postMessage(ARCHIVER_STOP);
    const timer = setTimeout(() => void worker.terminate(), ARCHIVE_CLOSE_MS);
    await ended;
    clearTimeout(timer);
  }

  /** Whoever takes this thread's place, and the next opening, expect the archive where it is now. */
  #noteAttached(onWarning: (error: BusError) => void): void {
    this.#data = { ...this.#data, isKnown: true };
    try {
      if (this.#note !== undefined) notePlace(this.#note, this.#data.place);
    } catch (error) {
      onWarning(errorOfNote(error));
    }
  }

  #spawn(onWarning: (error: BusError) => void, settle: (error?: BusError) => void): void {
    const worker = new Worker(THREAD_URL, {
      workerData: this.#data,
      name: 'millrace-archiver',
      ...threadFlags(),
    });
    this.#worker = worker;
    worker.unref();
    worker.on('message', (report: ArchiverReport) => {
      if (report.report === 'attached') {
        this.#noteAttached(onWarning);
        return settle();
      }
      const error = BusError.from(report.error);
      settle(error);
      onWarning(error);
    });
    worker.on('error', (cause) => {
      onWarning(
        new BusError('ARCHIVE_FAILED', `the archiver's thread died: ${cause.message}`, { cause }),
      );
    });
    worker.on('exit', () => {
      this.#worker = undefined;
      if (this.#isStopping) return;
      setTimeout(() => {
        if (!this.#isStopping) this.#spawn(onWarning, settle);
      }, RESTART_MS).unref();
    });
  }
}

/** An error that trying again does not mend: another history's archive, or a server that knows no such bucket or key. */
function isRefusal({ code, details }: BusError): boolean {
  const { status, isPassing } = details ?? {};
  const isOfServer = typeof status === 'number' && status >= 300 && status < 500;
  return code === 'OPTION_INVALID' || (isOfServer && isPassing !== true);
}

function errorOfNote(cause: unknown): BusError {
  if (cause instanceof BusError) return cause;
  return new BusError('ARCHIVE_FAILED', messageOf(cause), { cause });
}
