import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { BusError } from '../../protocol/errors.js';
import { ensureDirectory } from '../directory/directory.js';
import { ownFile, replaceFile, syncDirectory, TEMPORARY_SUFFIX } from '../directory/files.js';
import { ALERTS_FILE, CONSUMERS_FILE } from '../directory/kept-file.js';
import { DirectoryLock } from '../directory/lock.js';
import { MANIFEST } from '../directory/manifest.js';
import { storeError } from '../sqlite/driver/store-errors.js';

/**
 * The directory that a backup, a restoration or a reshard writes into. It carries a note as long as the copy is not
 * finished, so that the same command can be run again after its process was killed: what it left is removed. Nothing
 * but the files of an unfinished copy is ever removed, and a lock keeps out a second copy into the same place.
 */
const NOTE = 'copy.unfinished';
const LOCK = 'lock.db';
const LOCKS = /^lock\.(?:db|json)(?:-journal)?$/;
const KEPT = [ALERTS_FILE, CONSUMERS_FILE, MANIFEST, NOTE].map((name) => name + TEMPORARY_SUFFIX);
const OWN = [NOTE, ALERTS_FILE, CONSUMERS_FILE, ...KEPT];

export class CopyTarget {
  readonly #dir: string;
  readonly #lock: DirectoryLock;
  #isEnded = false;

  /**
   * Makes the directory, or takes one that is empty or holds an unfinished copy. What a copy has left is removed, unless
   * `keeps` says of the text in its note that it goes on.
   * @throws BusError `OPTION_INVALID` if it holds anything else, `STORE_LOCKED` while another copy goes into it,
   * `STORE_FULL`, `STORE_FAILED`
   */
  static begin(dir: string, keeps: (note: string) => boolean = () => false): CopyTarget {
    assertUsable(dir);
    ensureDirectory(dir);
    const lock = DirectoryLock.acquire(dir);
    try {
      // One that was just given up takes its lock along.
      if (!existsSync(join(dir, LOCK))) throw lockedAway(dir);
      // Another copy may have been finished there meanwhile.
      const names = assertUsable(dir);
      const isKept = names.includes(NOTE) && keeps(readFileSync(join(dir, NOTE), 'utf8'));
      for (const name of isKept ? [] : names) {
        if (!LOCKS.test(name)) rmSync(join(dir, name), { recursive: true });
      }
      ownFile(join(dir, NOTE));
      syncDirectory(dir);
      return new CopyTarget(dir, lock);
    } catch (error) {
      lock.release();
      throw storeError(error, dir, 'copying to');
    }
  }

  private constructor(dir: string, lock: DirectoryLock) {
    this.#dir = dir;
    this.#lock = lock;
  }

  /** @throws BusError `OPTION_INVALID` if nothing can be copied there */
  static assertUsable(dir: string): void {
    assertUsable(dir);
  }

  /** The text by which a later copy knows whether it goes on. */
  note(text: string): void {
    replaceFile(join(this.#dir, NOTE), text);
  }

  /** Leaves an unfinished copy as it is, for one that goes on. */
  leave(): void {
    this.#isEnded = true;
    this.#lock.release();
  }

  /** Ends the copy; what is left of one that is not done is removed. */
  end(isDone: boolean): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    try {
      if (!isDone) this.#removeAll();
      rmSync(join(this.#dir, NOTE), { force: true });
      // Nobody waits for a place in which nothing was made, and nothing is left there.
      if (!isDone) rmSync(join(this.#dir, LOCK), { force: true });
    } catch {
      // On a disk that fails it stays, and the next copy into the directory removes it.
    } finally {
      this.#lock.release();
    }
  }

  /** The manifest goes first, since with it the rest would be a copy; the note stays, as without it the rest is nobody's. */
  #removeAll(): void {
    rmSync(join(this.#dir, MANIFEST), { force: true });
    for (const name of readdirSync(this.#dir)) {
      if (name === NOTE || LOCKS.test(name) || !isOfCopy(name)) continue;
      rmSync(join(this.#dir, name), { recursive: true, force: true });
    }
  }
}

/** @returns what is in the directory */
function assertUsable(dir: string): string[] {
  const names = existsSync(dir) ? readdirSync(dir) : [];
  const isEmpty = names.every((name) => LOCKS.test(name));
  const isUnfinished = names.includes(NOTE) && names.every(isOfCopy);
  if (isEmpty || isUnfinished) return names;
  throw new BusError('OPTION_INVALID', `${dir} is not empty`, { details: { dir } });
}

function isOfCopy(name: string): boolean {
  return LOCKS.test(name) || /^shard-\d{3,}\./.test(name) || OWN.includes(name);
}

function lockedAway(dir: string): BusError {
  return new BusError('STORE_LOCKED', `${dir} is in use by another copy`, { details: { dir } });
}
