import { randomFillSync } from 'node:crypto';
import {
  EVENT_ID_LENGTH_MAX,
  EVENT_NAME_BYTES_MAX,
  TOPIC_BYTES_MAX,
} from '../../../protocol/limits/events.js';
import { EVENT_FLAG_ID_OF_SOURCE, type EventRecordView } from '../../../record/event-record.js';

/**
 * Computes the key by which a repeat of a publish is recognised: a 128-bit hash of its topic and id, and of its source
 * where the id is unique within the source only. Each opening of a log draws a secret for the hash, so that no
 * publisher can construct two publishes with one key. By chance two have the same key as rarely as two UUIDs are equal.
 *
 * The hash is HalfSipHash-2-4 (Aumasson, Bernstein: https://github.com/veorq/SipHash), run twice with a key each. It is
 * written here, because a call into native code takes longer: 1.1 µs instead of 0.3 (`node bench/small-parts.js`). One
 * thread may use an instance.
 */
export const DEDUPE_KEY_WORDS = 4;

/** Topic, source and id, each padded to whole words, and one word with their lengths. */
const WORDS_MAX =
  wordsOf(TOPIC_BYTES_MAX) + wordsOf(EVENT_NAME_BYTES_MAX) + wordsOf(EVENT_ID_LENGTH_MAX) + 1;
const WORD_BYTES = 4;
const OF_SOURCE = 1 << 24;

export interface NamedPublish {
  readonly topic: string;
  /** Set only if the id is unique within this source only. */
  readonly source: string | undefined;
  readonly id: string;
}

export class DedupeKeys {
  /** The key computed last. */
  readonly words = new Int32Array(DEDUPE_KEY_WORDS);
  readonly #secret = randomFillSync(new Int32Array(DEDUPE_KEY_WORDS));
  readonly #message = new Int32Array(WORDS_MAX);
  #length = 0;

  ofRecord(view: EventRecordView): void {
    const { bytes, topicStart, sourceStart, idStart, idEnd } = view;
    const isOfSource = (view.flags & EVENT_FLAG_ID_OF_SOURCE) !== 0;
    const topicLength = view.topicEnd - topicStart;
    const sourceLength = isOfSource ? idStart - sourceStart : 0;
    this.#length = 0;
    this.#add(bytes, topicStart, topicLength);
    this.#add(bytes, sourceStart, sourceLength);
    this.#add(bytes, idStart, idEnd - idStart);
    this.#hash(topicLength, sourceLength, idEnd - idStart, isOfSource);
  }

  /** As `ofRecord`, from texts. */
  ofTexts({ topic, source, id }: NamedPublish): void {
    const topicBytes = Buffer.from(topic);
    const sourceBytes = Buffer.from(source ?? '');
    const idBytes = Buffer.from(id);
    this.#length = 0;
    for (const bytes of [topicBytes, sourceBytes, idBytes]) this.#add(bytes, 0, bytes.length);
    this.#hash(topicBytes.length, sourceBytes.length, idBytes.length, source !== undefined);
  }

  #add(bytes: Uint8Array, start: number, length: number): void {
    const message = this.#message;
    let at = this.#length;
    const end = start + length;
    let from = start;
    for (; from + WORD_BYTES <= end; from += WORD_BYTES) {
      message[at++] =
        bytes[from]! |
        (bytes[from + 1]! << 8) |
        (bytes[from + 2]! << 16) |
        (bytes[from + 3]! << 24);
    }
    if (from < end) {
      let word = 0;
      for (let shift = 0; from < end; shift += 8) word |= bytes[from++]! << shift;
      message[at++] = word;
    }
    this.#length = at;
  }

  #hash(topicLength: number, sourceLength: number, idLength: number, isOfSource: boolean): void {
    const lengths = topicLength | (sourceLength << 8) | (idLength << 16);
    this.#message[this.#length++] = isOfSource ? lengths | OF_SOURCE : lengths;
    const secret = this.#secret;
    halfSipHash(this.#message, this.#length, secret[0]!, secret[1]!, this.words, 0);
    halfSipHash(this.#message, this.#length, secret[2]!, secret[3]!, this.words, 2);
  }
}

/** Writes two words of hash into `into`, from `at` on. The message's last word has its length. */
function halfSipHash(
  message: Int32Array,
  length: number,
  key0: number,
  key1: number,
  into: Int32Array,
  at: number,
): void {
  let v0 = key0;
  let v1 = key1 ^ 0xee;
  let v2 = 0x6c796765 ^ key0;
  let v3 = 0x74656462 ^ key1;
  // Two rounds per word of the message, then four before each word of the hash. One loop, so that there is one copy of
  // a round.
  const middle = 2 * length + 4;
  const end = middle + 4;
  for (let round = 0; round < end; round++) {
    const isWord = round < 2 * length;
    if (isWord && (round & 1) === 0) v3 ^= message[round >> 1]!;
    else if (round === 2 * length) v2 ^= 0xee;
    else if (round === middle) {
      into[at] = v1 ^ v3;
      v1 ^= 0xdd;
    }
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    if (isWord && (round & 1) === 1) v0 ^= message[round >> 1]!;
  }
  into[at + 1] = v1 ^ v3;
}

function wordsOf(bytes: number): number {
  return Math.ceil(bytes / 4);
}
