import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { BusError } from '../../../../src/protocol/errors.js';
import { PayloadFiles } from '../../../../src/store/directory/payload-files.js';

/** What meets a call that changes files. `torn`: a power cut that kept the name of a file, and half of its bytes. */
export type Mishap = 'no room' | 'fails' | 'dies before' | 'dies half way' | 'torn' | 'dies after';

export const MISHAPS: readonly Mishap[] = [
  'no room',
  'fails',
  'dies before',
  'dies half way',
  'torn',
  'dies after',
];

/** Payload files on a disk that fails, or in a process that dies. What a dead process does changes nothing any more. */
export class DyingFiles extends PayloadFiles {
  isDead = false;
  readonly #onDeath: () => void;
  #mishap: Mishap | undefined;
  #calls = 0;

  /** `onDeath` is called with the files as the dead process leaves them. */
  constructor(databaseFile: string, onDeath: () => void) {
    super(databaseFile);
    this.#onDeath = onDeath;
  }

  /** The mishap meets the call after so many others. */
  arm(mishap: Mishap, calls: number): void {
    this.#mishap = mishap;
    this.#calls = calls;
  }

  disarm(): void {
    this.#mishap = undefined;
  }

  override write(hash: string, payload: Uint8Array): void {
    this.#meet(
      () => super.write(hash, payload),
      (mishap) => {
        const half = payload.subarray(0, payload.length / 2);
        const file = this.locate(hash);
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(mishap === 'torn' ? file : `${file}.new`, half);
      },
    );
  }

  override flushNames(hashes: Iterable<string>): void {
    this.#meet(() => super.flushNames(hashes));
  }

  override remove(path: string): void {
    this.#meet(() => super.remove(path));
  }

  override discard(path: string): void {
    if (!this.isDead) super.discard(path);
  }

  #meet(work: () => void, half: (mishap: Mishap) => void = () => {}): void {
    if (this.isDead) throw new Error('it is dead');
    const mishap = this.#mishap;
    if (mishap === undefined || this.#calls-- > 0) {
      work();
      return;
    }
    this.#mishap = undefined;
    if (mishap === 'no room') throw new BusError('STORE_FULL', 'no room');
    if (mishap === 'fails') throw new BusError('STORE_FAILED', 'the disk fails');
    if (mishap === 'dies after') work();
    if (mishap === 'dies half way' || mishap === 'torn') half(mishap);
    this.isDead = true;
    this.#onDeath();
    throw new Error('it dies');
  }
}

/** A planted fault: a file that is there already is used, whoever left it. */
export class AdoptingFiles extends DyingFiles {
  override write(hash: string, payload: Uint8Array): void {
    if (!existsSync(this.locate(hash))) super.write(hash, payload);
  }
}
