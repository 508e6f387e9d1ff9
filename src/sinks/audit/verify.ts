import { basename } from 'node:path';
import { type CheckedLine, checkLine, type FileHead, NO_HASH, numberOf } from './line.js';
import type { SealCheck } from './seal.js';
import { type RawLine, readLines } from './trail-files.js';

/**
 * Checks a trail, line by line, in bounded memory. The first line that is wrong ends the check, since nothing after it is
 * proven. A trail whose last lines are missing is right in itself: only an anchor, a hash that was kept elsewhere, tells.
 */

export interface VerifyOptions {
  /** The keys of the seals. Without any, seals are not checked. Default: none. */
  readonly keys?: readonly SealCheck[];
  /** A hash that a line of the trail has to have. Default: none. */
  readonly expectHead?: string;
}

export type FaultKind =
  | 'changed'
  | 'removed'
  | 'inserted'
  | 'reordered'
  | 'replaced'
  | 'torn'
  | 'truncated'
  | 'seal'
  | 'file';

export interface TrailFault {
  readonly kind: FaultKind;
  readonly file: string;
  /** The line's place in its file, from 1. */
  readonly row: number;
  /** The line's number in the trail. */
  readonly line: number;
  readonly message: string;
}

export interface TrailReport {
  readonly files: number;
  /** The first line that was given, 1 unless earlier files are elsewhere. */
  readonly firstLine: number;
  /** The last good line, and its hash. */
  readonly lastLine: number;
  readonly head: string;
  readonly events: number;
  /** How often a torn end was cut off after a crash. */
  readonly repairs: number;
  /** Whether all seals were checked: `none`, if the trail has none; `unchecked`, if no key was given. */
  readonly seals: 'right' | 'unchecked' | 'none';
  /** The line that has the expected hash. */
  readonly anchorLine?: number;
  readonly fault?: TrailFault;
}

/** @throws any error of the file system */
export async function verifyTrail(
  paths: readonly string[],
  { keys = [], expectHead }: VerifyOptions = {},
): Promise<TrailReport> {
  const check = new TrailCheck(keys, expectHead);
  for (const path of paths) {
    check.beginFile(path);
    let last: RawLine | undefined;
    for await (const raw of readLines(path)) {
      if (last !== undefined && !check.take(last, raw)) return check.report();
      last = raw;
    }
    if (last === undefined) check.empty();
    else check.take(last, undefined);
    if (check.fault !== undefined) return check.report();
  }
  check.end();
  return check.report();
}

class TrailCheck {
  readonly #keys: ReadonlyMap<string, SealCheck>;
  readonly #expectHead: string | undefined;
  fault: TrailFault | undefined;
  #file = '';
  #files = 0;
  #row = 0;
  #firstLine = 0;
  #line = 0;
  #hash = NO_HASH;
  #events = 0;
  #repairs = 0;
  #anchorLine: number | undefined;
  #head: FileHead | undefined;
  #hasSeals = false;

  constructor(keys: readonly SealCheck[], expectHead: string | undefined) {
    this.#keys = new Map(keys.map((key) => [key.id, key]));
    this.#expectHead = expectHead;
  }

  beginFile(path: string): void {
    this.#file = path;
    this.#files++;
    this.#row = 0;
  }

  empty(): void {
    this.#row = 1;
    this.#fail('file', this.#line + 1, 'the file is empty: its lines are missing');
  }

  /** Checks a line; `next` is the one behind it in the file. Returns false at a fault. */
  take(raw: RawLine, next: RawLine | undefined): boolean {
    this.#row++;
    const checked = raw.isWhole ? checkLine(raw.bytes) : undefined;
    if (checked === undefined) this.#failUnreadable(raw, next);
    else if (this.#row === 1 && this.#files === 1) this.#begin(checked);
    else if (checked.line !== this.#line + 1) this.#failNumber(checked, next);
    else if (checked.previous !== this.#hash) {
      this.#row = Math.max(1, this.#row - 1);
      this.#fail('replaced', this.#line, 'is another line than the one that the next line follows');
    }
    if (this.fault !== undefined || checked === undefined) return false;
    this.#accept(checked, raw);
    return this.fault === undefined;
  }

  /** All files are read. */
  end(): void {
    if (this.#expectHead === undefined || this.#anchorLine !== undefined) return;
    const message =
      'no line has the expected hash: lines at the end are missing, or it is of another trail';
    this.#fail('truncated', this.#line + 1, message);
  }

  report(): TrailReport {
    const isChecked = this.#keys.size > 0;
    return {
      files: this.#files,
      firstLine: this.#firstLine,
      lastLine: this.#line,
      head: this.#hash,
      events: this.#events,
      repairs: this.#repairs,
      seals: this.#hasSeals ? (isChecked ? 'right' : 'unchecked') : 'none',
      ...(this.#anchorLine === undefined ? {} : { anchorLine: this.#anchorLine }),
      ...(this.fault === undefined ? {} : { fault: this.fault }),
    };
  }

  /** The first line of the first file. Earlier files may be elsewhere; then it is believed where it says that it stands. */
  #begin({ line, previous }: CheckedLine): void {
    this.#firstLine = line;
    this.#line = line - 1;
    this.#hash = previous;
    if (line === 1 && previous !== NO_HASH) {
      this.#fail('changed', 1, 'is the first line of a trail, and says that it follows another');
    }
  }

  #accept({ line, hash, seal, sealed }: CheckedLine, { bytes }: RawLine): void {
    // Its hash is right, so it is what a writer has made; but the writer may be a forger.
    const body = bodyOf(bytes);
    const isFirst = this.#row === 1;
    if (body === undefined) this.#fail('changed', line, 'is not JSON, and its hash was made anew');
    else if ((body.file !== undefined) !== isFirst) {
      const words = isFirst ? 'has no head of a file' : 'is the head of another file';
      this.#fail('file', line, words);
    } else if (body.file !== undefined) this.#takeHead(body.file, line);
    this.#checkSeal(line, seal, sealed);
    if (this.fault !== undefined) return;
    if (body?.event !== undefined) this.#events++;
    if (body?.repaired !== undefined) this.#repairs++;
    this.#line = line;
    this.#hash = hash;
    if (hash === this.#expectHead) this.#anchorLine = line;
  }

  #takeHead(head: FileHead, line: number): void {
    const { trail = head.trail, number = head.number - 1 } = this.#head ?? {};
    if (head.trail !== trail) this.#fail('file', line, 'begins a file of another trail');
    else if (head.number !== number + 1) {
      this.#fail('file', line, `begins file ${head.number}, and file ${number + 1} was expected`);
    }
    this.#head = head;
  }

  #checkSeal(line: number, seal: string | undefined, sealed: string): void {
    const { key } = this.#head ?? {};
    if (seal !== undefined) this.#hasSeals = true;
    if (this.#keys.size === 0) return;
    const check = key === undefined ? undefined : this.#keys.get(key);
    if (key === undefined || seal === undefined) this.#fail('seal', line, 'has no seal');
    else if (check === undefined) {
      this.#fail('seal', line, `is sealed with ${key}, whose key was not given`);
    } else if (!check.isRight(sealed, seal)) {
      this.#fail('seal', line, 'has a seal that was not made with the key');
    }
  }

  /** A line whose hash is wrong, or that is none. The next line tells whether it was put in or changed. */
  #failUnreadable({ bytes, isWhole }: RawLine, next: RawLine | undefined): void {
    const line = this.#line + 1;
    const follower = next && checkLine(next.bytes);
    const number = numberOf(bytes);
    if (!isWhole) this.#fail('torn', line, 'is cut off: by a crash, or by somebody');
    else if (follower?.line === line && follower.previous === this.#hash) {
      this.#fail('inserted', line, 'was put in');
    } else if (number === undefined || number === line) {
      this.#fail('changed', line, 'was changed: it does not have its hash');
    } else {
      const says = `it says that it is line ${number}`;
      this.#fail('changed', line, `was changed: it does not have its hash, and ${says}`);
    }
  }

  /** A line that is right in itself, and stands in the wrong place. */
  #failNumber({ line: found }: CheckedLine, next: RawLine | undefined): void {
    const line = this.#line + 1;
    const follower = next && checkLine(next.bytes);
    if (found < line) this.#fail('inserted', line, `was put in: it is line ${found} again`);
    else if (follower?.line === line) {
      this.#fail('reordered', line, `stands behind line ${found}: lines have changed places`);
    } else {
      const missing = found - 1 === line ? `line ${line} is` : `lines ${line} to ${found - 1} are`;
      this.#fail('removed', line, `was removed: ${missing} missing here`);
    }
  }

  #fail(kind: FaultKind, line: number, words: string): void {
    if (this.fault !== undefined) return;
    const place = `${basename(this.#file)}, row ${this.#row}`;
    const message = kind === 'truncated' ? words : `line ${line} (${place}) ${words}`;
    this.fault = { kind, file: this.#file, row: this.#row, line, message };
  }
}

function bodyOf(
  bytes: Buffer,
): { file?: FileHead; event?: unknown; repaired?: unknown } | undefined {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}
