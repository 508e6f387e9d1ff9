import { type FSWatcher, watch } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Says when a file may have changed. It watches the folder, as editors replace files, and links to files are turned
 * elsewhere; and it asks by the clock as well, as not every file system tells. Whether the file has really changed is
 * for the listener to find out. Keeps no process alive. One thread.
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
      // The folder is gone, or watches have run out: the clock has to do.
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

  /** A file is written in several steps: looking after the first of them would mostly find half of it. */
  #settle(): void {
    if (this.#settling !== undefined) return;
    this.#settling = setTimeout(() => {
      this.#settling = undefined;
      this.#onPossibleChange();
    }, this.#settleMs).unref();
  }
}
