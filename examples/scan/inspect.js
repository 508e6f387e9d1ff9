import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { findSecrets } from './secrets.js';

/**
 * Searches one file for findings. It reads chunks of `CHUNK_BYTES` into one buffer that all calls share, so a file of
 * any size costs the same memory. It is synchronous, because its worker has nothing else to do.
 */

export const LARGE_FILE_BYTES = 1024 * 1024;
export const CHUNK_BYTES = 256 * 1024;
/** Text beyond `TEXT_BYTES_MAX` is not searched; a file over `HASH_BYTES_MAX` is not compared with others. */
export const TEXT_BYTES_MAX = 8 * 1024 * 1024;
export const HASH_BYTES_MAX = 512 * 1024 * 1024;
export const FINDINGS_PER_FILE_MAX = 50;
/** A longer line, as in bundles, is searched in pieces. */
const LINE_LENGTH_MAX = 16 * 1024;
const EXCERPT_LENGTH_MAX = 120;
/** A file with a zero byte in this many first bytes counts as binary, as in grep. */
const BINARY_PROBE_BYTES = 8 * 1024;

const MARK = /\b(?:TODO|FIXME)\b/g;
const chunk = Buffer.allocUnsafe(CHUNK_BYTES);

/**
 * @typedef {object} Finding
 * @property {'large' | 'mark' | 'secret' | 'duplicate'} kind
 * @property {number} line from 1; 0 if the finding is about the whole file
 * @property {string} text
 *
 * @typedef {object} Inspection
 * @property {Finding[]} findings
 * @property {number} bytes that were read
 * @property {boolean} binary
 * @property {string} [hash] SHA-256 of the content, if the caller asked for it
 */

/**
 * @param {string} path
 * @param {boolean} hashed
 * @returns {Inspection}
 * @throws the file system's error if the file cannot be read
 */
export function inspectFile(path, hashed) {
  // Without O_NONBLOCK, a pipe that has taken the file's place since the walk would hold the thread for ever.
  const file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const stats = fstatSync(file);
    if (!stats.isFile()) throw new Error(`${path} is no longer a file`);
    const { size } = stats;
    /** @type {Finding[]} */
    const findings = [];
    if (size >= LARGE_FILE_BYTES) findings.push({ kind: 'large', line: 0, text: `${size} bytes` });
    return readThrough(file, findings, hashed && size <= HASH_BYTES_MAX);
  } finally {
    closeSync(file);
  }
}

/**
 * @param {number} file
 * @param {Finding[]} findings
 * @param {boolean} hashed
 * @returns {Inspection}
 */
function readThrough(file, findings, hashed) {
  const hash = hashed ? createHash('sha256') : undefined;
  const text = new TextScan(findings);
  let bytes = 0;
  let binary = false;
  for (let length = readSync(file, chunk); length > 0; length = readSync(file, chunk)) {
    const part = chunk.subarray(0, length);
    if (bytes === 0) binary = part.subarray(0, BINARY_PROBE_BYTES).includes(0);
    bytes += length;
    hash?.update(part);
    const reading = !binary && bytes <= TEXT_BYTES_MAX && !text.full;
    if (reading) text.add(part);
    else if (hash === undefined) break;
  }
  if (!binary) text.end();
  return { findings, bytes, binary, ...(hash && { hash: hash.digest('base64url') }) };
}

/** Searches text that comes in pieces, whole lines at a time. */
class TextScan {
  #decoder = new StringDecoder('utf8');
  #findings;
  #limit;
  #rest = '';
  #line = 1;

  /** @param {Finding[]} findings */
  constructor(findings) {
    this.#findings = findings;
    this.#limit = findings.length + FINDINGS_PER_FILE_MAX;
  }

  get full() {
    return this.#findings.length >= this.#limit;
  }

  /** @param {Buffer} part */
  add(part) {
    const text = this.#rest + this.#decoder.write(part);
    const lastBreak = text.lastIndexOf('\n') + 1;
    const end = text.length - lastBreak > LINE_LENGTH_MAX ? text.length : lastBreak;
    this.#scan(text.slice(0, end));
    this.#rest = text.slice(end);
  }

  end() {
    if (!this.full) this.#scan(this.#rest + this.#decoder.end());
  }

  /** @param {string} text */
  #scan(text) {
    const marks = Array.from(text.matchAll(MARK), ({ index }) => ({
      index,
      kind: /** @type {const} */ ('mark'),
      text: excerpt(text, index),
    }));
    const secrets = findSecrets(text).map(({ index, shape, preview, entropy }) => ({
      index,
      kind: /** @type {const} */ ('secret'),
      text: `${shape} ${preview}, ${entropy} bits a character`,
    }));
    let at = 0;
    for (const found of [...marks, ...secrets].sort((a, b) => a.index - b.index)) {
      if (this.full) return;
      this.#line += countBreaks(text, at, found.index);
      at = found.index;
      this.#findings.push({ kind: found.kind, line: this.#line, text: found.text });
    }
    this.#line += countBreaks(text, at, text.length);
  }
}

/**
 * @param {string} text
 * @param {number} from
 * @param {number} to
 */
function countBreaks(text, from, to) {
  let count = 0;
  for (let at = text.indexOf('\n', from); at !== -1 && at < to; at = text.indexOf('\n', at + 1)) {
    count += 1;
  }
  return count;
}

/**
 * The text from the mark to the end of its line, shortened.
 * @param {string} text
 * @param {number} index
 */
function excerpt(text, index) {
  const lineEnd = text.indexOf('\n', index);
  const end = Math.min(lineEnd === -1 ? text.length : lineEnd, index + EXCERPT_LENGTH_MAX);
  return text.slice(index, end).trimEnd().toWellFormed();
}
