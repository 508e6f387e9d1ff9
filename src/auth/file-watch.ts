import { type FSWatcher, watch } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Calls a listener when a file may have changed; the listener finds out whether it has. Watches the folder, as editors
 * replace files and links are redirected, and polls as well, as not every file system reports changes. Does not keep
 * the process alive. One thread.
 */
export class FileWatch {
  readonly #onPossibleChange: () => void;
  readonly #settleMs: number;
  readonly #poll: NodeJS.Timeout;
  #watcher: FSWatcher | undefined;
  #settling: NodeJS.Timeout | undefined;

  constructor(
    path: string,
    onPossibleChange: () => void,
    { pollMs, settleMs }: { pollMs: number; settleMs: number },
  ) {
    this.#onPossibleChange = onPossibleChange;
    this.#settleMs = settleMs;
    this.#poll = setInterval(onPossibleChange, pollMs).unref();
    this.#watcher = this.#watchFolder(dirname(path));
  }

  close(): void {
    clearInterval(this.#poll);
    clearTimeout(this.#settling);
    this.#stopWatching();
  }

  #watchFolder(folder: string): FSWatcher | undefined {
    try {
      const watcher = watch(folder, { persistent: false }, () => this.#settle());
      // The folder is gone, or the system has no more watches: polling has to do.
      watcher.on('error', () => this.#stopWatching());
      return watcher;
    } catch {
      return undefined;
    }
  }

  #stopWatching(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  /** Waits a little, as a file is written in several steps and the first notice would mostly find half of it. */
  #settle(): void {
    if (this.#settling !== undefined) return;
    this.#settling = setTimeout(() => {
      this.#settling = undefined;
      this.#onPossibleChange();
    }, this.#settleMs).unref();
  }
}
