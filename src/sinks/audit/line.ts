import { createHash } from 'node:crypto';
import type { Seal } from './seal.js';

/**
 * One line of an audit trail, without its line break:
 *
 *     {"line":N,"previous":"HASH","at":"TIME",BODY,"seal":"…","hash":"HASH"}
 *
 * `line` counts through all files, from 1. `hash` is the SHA-256, in hex, of the bytes before `,"hash":`, and so of the
 * line before too, whose hash is `previous`. A trail with a key has a `seal`: over the SHA-256 of the bytes before
 * `,"seal":`. BODY is one of
 *
 *     "event":{…}                          an event as the bus hands it out
 *     "file":{"trail","number",…}          the first line of each file
 *     "repaired":{"bytes","sha256"}        a torn end was cut off after a crash
 *
 * The bytes are hashed as they stand, so nothing depends on how JSON is written. Pure.
 */

export const NO_HASH = '0'.repeat(64);
const HASH_PART = ',"hash":"';
const SEAL_PART = ',"seal":"';
/** Of everything behind the body. */
const END = /^(?:,"seal":"([A-Za-z0-9+/]{1,128}={0,2})")?,"hash":"([0-9a-f]{64})"\}$/;
const END_LENGTH_MAX = 256;
const HASH_END_LENGTH = HASH_PART.length + 64 + 2;
const START = /^\{"line":([1-9]\d{0,15}),"previous":"([0-9a-f]{64})","at":"/;
const START_LENGTH_MAX = 128;

export interface FileHead {
  /** Drawn when the trail was begun; the same in all its files. */
  readonly trail: string;
  readonly number: number;
  readonly consumer: string;
  /** The id of the key by which the lines are sealed. */
  readonly key?: string;
  /** The least and the greatest sequence of each shard in the file before. */
  readonly ranges: Readonly<Record<string, readonly [least: number, greatest: number]>>;
}

export interface LineStart {
  readonly line: number;
  readonly previous: string;
}

/** Makes a line; `body` is one of those above, as text. */
export function makeLine(
  { line, previous }: LineStart,
  at: string,
  body: string,
  seal: Seal | undefined,
): { readonly text: string; readonly hash: string } {
  let text = `{"line":${line},"previous":"${previous}","at":"${at}",${body}`;
  if (seal !== undefined) text += `${SEAL_PART}${seal.make(hashOf(text))}"`;
  const hash = hashOf(text);
  return { text: `${text}${HASH_PART}${hash}"}`, hash };
}

/** What stands in a line whose hash is right; `undefined`: it is not, or this is no line. */
export interface CheckedLine extends LineStart {
  readonly hash: string;
  readonly seal: string | undefined;
  /** The SHA-256 over which the seal was made. */
  readonly sealed: string;
}

export function checkLine(bytes: Buffer): CheckedLine | undefined {
  const start = START.exec(bytes.subarray(0, START_LENGTH_MAX).toString('latin1'));
  const ends = bytes.subarray(-END_LENGTH_MAX).toString('latin1');
  // A seal inside of the body ends before its last brace, so the last `,"hash":` and what is right before it count.
  const hashAt = ends.length - HASH_END_LENGTH;
  const sealAt = ends.lastIndexOf(SEAL_PART, hashAt);
  const [, seal, hash] =
    END.exec(ends.slice(sealAt < 0 ? hashAt : sealAt)) ?? END.exec(ends.slice(hashAt)) ?? [];
  if (start === null || hash === undefined) return undefined;
  const hashed = bytes.subarray(0, bytes.length - HASH_END_LENGTH);
  if (hashOf(hashed) !== hash) return undefined;
  const sealLength = seal === undefined ? 0 : SEAL_PART.length + seal.length + 1;
  return {
    line: Number(start[1]),
    previous: start[2]!,
    hash,
    seal,
    sealed: seal === undefined ? '' : hashOf(hashed.subarray(0, hashed.length - sealLength)),
  };
}

/** The number that stands in a line, whether or not its hash is right. */
export function numberOf(bytes: Buffer): number | undefined {
  const start = START.exec(bytes.subarray(0, START_LENGTH_MAX).toString('latin1'));
  return start === null ? undefined : Number(start[1]);
}

function hashOf(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}
