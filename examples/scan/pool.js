import { Worker } from 'node:worker_threads';
import { dealShares } from './tree.js';

/**
 * A pool of worker threads that scan a tree, each attached to the bus. A worker that dies is replaced by one that goes
 * on with the group its predecessor was in. A share that has killed `WORKERS_PER_SHARE_MAX` workers is given up, and
 * its files are counted in `filesAbandoned`.
 */

export const WORKERS_PER_SHARE_MAX = 4;
/** Files sent to a worker at a time, give or take a group. */
const FILES_PER_MESSAGE = 64;
const STOP_WAIT_MS = 2000;

/**
 * @typedef {import('./tree.js').Share & { index: number, finishedGroups: number, finishedFiles: number, sentGroups:
 * number }} Work
 */

export class ScanPool {
  #hub;
  #root;
  #run;
  /** Files per second, all workers together. */
  #rate;
  #workersStarted = 0;
  #stopping = false;
  /** @type {Set<Worker>} */
  #running = new Set();
  /** How many files were in shares that were given up. */
  filesAbandoned = 0;
  /** How many findings were published a second time and recognised by their ids. */
  repeats = 0;
  crashes = 0;

  /**
   * @param {import('./hub.js').Hub} hub
   * @param {{ root: string, run: string, rate?: number | undefined }} options
   */
  constructor(hub, { root, run, rate }) {
    this.#hub = hub;
    this.#rate = rate;
    this.#root = root;
    this.#run = run;
  }

  /**
   * Resolves when every share is done or given up, or after `stop()`.
   * @param {import('./tree.js').Group[]} groups
   * @param {{ workers: number, crash: boolean }} options `crash`: the first worker dies half-way
   */
  async scan(groups, { workers, crash }) {
    const shares = dealShares(groups, workers).filter((share) => share.files > 0);
    const perWorker = this.#rate === undefined ? undefined : this.#rate / shares.length;
    await Promise.all(
      shares.map((share, index) => {
        const work = { ...share, index, finishedGroups: 0, finishedFiles: 0, sentGroups: 0 };
        const crashAt = crash && index === 0 ? Math.floor(share.files / 2) : undefined;
        return this.#workThrough(work, perWorker, crashAt);
      }),
    );
  }

  /** Asks every worker to finish its file and exit; terminates those that do not. */
  async stop() {
    this.#stopping = true;
    await Promise.all(
      Array.from(this.#running, async (worker) => {
        const exited = new Promise((resolve) => worker.once('exit', resolve));
        worker.postMessage({ stop: true });
        const timer = setTimeout(() => void worker.terminate(), STOP_WAIT_MS);
        await exited;
        clearTimeout(timer);
      }),
    );
  }

  /**
   * @param {Work} work
   * @param {number | undefined} filesPerSecond
   * @param {number} [crashAt]
   */
  async #workThrough(work, filesPerSecond, crashAt) {
    /** @type {number | undefined} */
    let replaces;
    for (let attempt = 0; attempt < WORKERS_PER_SHARE_MAX; attempt += 1) {
      this.#workersStarted += 1;
      const number = this.#workersStarted;
      work.sentGroups = work.finishedGroups;
      const failure = await this.#runWorker(work, {
        number,
        share: work.index,
        filesBefore: work.finishedFiles,
        files: work.files - work.finishedFiles,
        ...(filesPerSecond !== undefined && { filesPerSecond }),
        ...(replaces !== undefined && { replaces }),
        ...(attempt === 0 && crashAt !== undefined && { crashAt }),
      });
      if (failure === undefined || this.#stopping) return;
      this.crashes += 1;
      await this.#publishFailure(number, failure, work);
      replaces = number;
    }
    this.filesAbandoned += work.files - work.finishedFiles;
  }

  /**
   * Resolves to the error that killed the worker, or to `undefined` if it finished.
   * @param {Work} work
   * @param {Omit<import('./scan-worker.js').ScanTask, 'attachment' | 'server' | 'run' | 'root'>} task
   * @returns {Promise<Error | undefined>}
   */
  #runWorker(work, task) {
    const { data, transferList } = this.#hub.entrance();
    const worker = new Worker(new URL('./scan-worker.js', import.meta.url), {
      workerData: { ...task, ...data, run: this.#run, root: this.#root },
      transferList,
    });
    this.#running.add(worker);
    return new Promise((resolve) => {
      let done = false;
      /** @type {Error | undefined} */
      let failure;
      worker.on('message', (message) => {
        if (message.next) worker.postMessage({ groups: takeGroups(work) });
        else if (message.finished !== undefined) {
          work.finishedGroups += 1;
          work.finishedFiles += message.finished;
        } else if (message.done) {
          done = true;
          this.repeats += message.repeats;
        }
      });
      worker.on('error', (error) => {
        failure = error;
      });
      worker.on('exit', (code) => {
        this.#running.delete(worker);
        resolve(done ? undefined : (failure ?? new Error(`the thread exited with code ${code}`)));
      });
    });
  }

  /**
   * @param {number} number
   * @param {Error} failure
   * @param {Work} work
   */
  #publishFailure(number, failure, work) {
    return this.#hub.bus.publish({
      topic: `worker.${number}.lifecycle`,
      type: 'worker_failed',
      source: 'scan-pool',
      correlationId: this.#run,
      payload: { reason: failure.message, filesLeft: work.files - work.finishedFiles },
    });
  }
}

/** @param {Work} work */
function takeGroups(work) {
  const first = work.sentGroups;
  for (let files = 0; files < FILES_PER_MESSAGE && work.sentGroups < work.groups.length; ) {
    files += work.groups[work.sentGroups]?.paths.length ?? 0;
    work.sentGroups += 1;
  }
  return work.groups.slice(first, work.sentGroups);
}
