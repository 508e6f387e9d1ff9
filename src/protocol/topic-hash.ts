import { isHighSurrogate, isLowSurrogate } from './utf8.js';

/**
 * The hash that gives a topic its shard. It is part of the format of a directory and never changes.
 *
 * Over the topic's bytes in UTF-8: FNV-1a, 32 bit; then MurmurHash3's 32-bit finaliser, because FNV
 * alone leaves the low bits of short, similar names poorly mixed, and the shard is taken from the
 * low bits.
 *
 * ```
 * h = 0x811c9dc5
 * for each byte b:  h = ((h xor b) * 0x01000193) mod 2^32
 * h = h xor (h >> 16);  h = (h * 0x85ebca6b) mod 2^32
 * h = h xor (h >> 13);  h = (h * 0xc2b2ae35) mod 2^32
 * h = h xor (h >> 16)                                      (shifts are unsigned)
 * shard = h mod shards
 * ```
 *
 * `test/protocol/topic-hash.test.ts` has test vectors, for implementations in other languages.
 */

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** An unsigned 32-bit integer. A lone surrogate, which no topic has, hashes as U+FFFD. */
export function topicHash(topic: string): number {
  const { length } = topic;
  let hash = FNV_OFFSET | 0;
  for (let i = 0; i < length; i++) {
    const code = topic.charCodeAt(i);
    if (code > 0x7f) return finalise(hashWide(hash, topic, i));
    hash = Math.imul(hash ^ code, FNV_PRIME);
  }
  return finalise(hash);
}

/**
 * The shard, 0 to `shards` - 1, that owns a topic. With `segments` over 0 only so many first segments of the topic count,
 * so that topics which have them in common share a shard.
 */
export function shardOf(topic: string, shards: number, segments = 0): number {
  return topicHash(segments === 0 ? topic : firstSegments(topic, segments)) % shards;
}

function firstSegments(topic: string, segments: number): string {
  let end = -1;
  for (let left = segments; left > 0; left--) {
    end = topic.indexOf('.', end + 1);
    if (end < 0) return topic;
  }
  return topic.slice(0, end);
}

/** Goes on with the UTF-8 of `topic` from the first character that is not ASCII. */
function hashWide(hash: number, topic: string, from: number): number {
  for (let i = from; i < topic.length; i++) {
    const point = codePointAt(topic, i);
    if (point < 0x80) hash = step(hash, point);
    else if (point < 0x800) hash = tail(step(hash, 0xc0 | (point >> 6)), point, 1);
    else if (point < 0x10000) hash = tail(step(hash, 0xe0 | (point >> 12)), point, 2);
    else {
      hash = tail(step(hash, 0xf0 | (point >> 18)), point, 3);
      i++;
    }
  }
  return hash;
}

function codePointAt(text: string, index: number): number {
  const code = text.charCodeAt(index);
  if ((code & 0xf800) !== 0xd800) return code;
  const next = text.charCodeAt(index + 1);
  if (!isHighSurrogate(code) || !isLowSurrogate(next)) return 0xfffd;
  return 0x10000 + ((code - 0xd800) << 10) + (next - 0xdc00);
}

/** The last `count` bytes of a code point in UTF-8: six bits each, high ones first. */
function tail(hash: number, point: number, count: number): number {
  let mixed = hash;
  for (let shift = (count - 1) * 6; shift >= 0; shift -= 6) {
    mixed = step(mixed, 0x80 | ((point >> shift) & 0x3f));
  }
  return mixed;
}

function step(hash: number, byte: number): number {
  return Math.imul(hash ^ byte, FNV_PRIME);
}

function finalise(hash: number): number {
  let mixed = hash ^ (hash >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
