import { setTimeout as afterMs } from 'node:timers/promises';
import { ShardControl } from '../link/shard-control.js';
import type { ShardReport, ShardThreadData } from '../link/shard-mail.js';
import { BusError, type ErrorData } from '../protocol/errors.js';
import { messageOf } from '../protocol/thrown.js';
import type { ShardLog, ShardLogModule } from '../store/shard-log.js';
import { believedNow, keptSteps } from './recording-clock.js';
import { ShardRun } from './shard-run.js';

/**
 * The life of a shard's thread: it opens the shard's log, hands out the run that the thread drives, and closes the log,
 * whether the run came to its end or an error ended it.
 */

/** How long a shared log may take to close, ms. Shorter than the time that a bus gives a thread to stop. */
const CLOSE_WAIT_MS = 2000;

export class ShardLife {
  readonly #data: ShardThreadData;
  #log: ShardLog | undefined;
  #run: ShardRun | undefined;

  constructor(data: ShardThreadData) {
    this.#data = data;
  }

  /** Opens the log and takes the links. */
  async begin(): Promise<ShardRun> {
    this.#log = await openLog(this.#data);
    this.#run = new ShardRun(this.#data, this.#log);
    this.#run.start();
    return this.#run;
  }

  /** The run is done. */
  async end(): Promise<void> {
    await closeLog(this.#log!);
    this.#run!.stop();
  }

  /** An error has ended the life. It is reported first: main must learn the reason even if closing the log fails. */
  async fail(error: unknown): Promise<void> {
    // Sent as data: SQLite's errors lose their message when they are cloned between threads.
    const report: ShardReport = { report: 'failed', error: dataOf(error) };
    this.#data.mail.postMessage(report);
    if (this.#log !== undefined) await closeLog(this.#log).catch(() => {});
  }

  /** Whether something may be left open: ports and a connection of a shared log, or what an opening that failed has made. */
  get mayLeaveOpen(): boolean {
    return this.#log?.isShared !== false;
  }
}

function dataOf(error: unknown): ErrorData {
  if (error instanceof BusError) return error.toJSON();
  return { code: 'STORE_FAILED', message: messageOf(error) };
}

async function openLog(data: ShardThreadData): Promise<ShardLog> {
  const { shard, isFirst, predecessor, log } = data;
  const { module, options, settings } = log;
  const { head: headLeast, clock } = new ShardControl(data.control);
  const now = believedNow(clock);
  const steps = keptSteps(clock);
  const { openShardLog } = (await import(module)) as ShardLogModule;
  return openShardLog({ shard, options, settings, isFirst, predecessor, headLeast, now, steps });
}

/** Closes the log. A shared one may wait for a broker that is gone: it is abandoned after `CLOSE_WAIT_MS`. */
async function closeLog(log: ShardLog): Promise<void> {
  if (log.isShared) await Promise.race([log.close(), afterMs(CLOSE_WAIT_MS)]);
  else await log.close();
}
