/**
 * The memory in which all shards of a bus agree on durable consumers. Main makes it, and the shards' threads use it.
 *
 * ```
 * i32 × CONSUMERS_MAX × SHARDS_MAX   how many events of a consumer each shard leases; a shard writes its own words
 * i32 × GATE_WORDS                   which shard has a member out with a key: 0 none, else the shard's number plus 1
 * i32 × SHARDS_MAX                   how often each shard was woken for what another one has given up
 * ```
 *
 * A count has 30 bits; the bit above says that the shard waits for a place. A key's word has the shard in its lowest 8
 * bits, and above them a bit for each shard that waits for the key.
 *
 * A consumer's row of the first part is `ConsumerEntry.gate`. A key's word is found by a hash of consumer and key; keys
 * that share a word wait for each other, which costs time and no promise.
 */
import { CONSUMERS_MAX, GATE_WORDS } from '../protocol/limits/consumers.js';
import { SHARDS_MAX } from '../protocol/limits/shards.js';

const WORD_BYTES = 4;
export const KEY_HOLDER = 0xff;
export const KEY_WAITING_SHIFT = 8;
if (KEY_WAITING_SHIFT + SHARDS_MAX > 31) throw new Error('a word has no bit for each shard');
const COUNTS = CONSUMERS_MAX * SHARDS_MAX;

export function createGates(): SharedArrayBuffer {
  return new SharedArrayBuffer((COUNTS + GATE_WORDS + SHARDS_MAX) * WORD_BYTES);
}

/** A shard was given up: it has nothing out, and waits for nothing. */
export function clearShard(gates: SharedArrayBuffer, shard: number): void {
  for (let gate = 0; gate < CONSUMERS_MAX; gate++) Atomics.store(countsOf(gates, gate), shard, 0);
  const words = keyWordsOf(gates);
  for (let word = 0; word < words.length; word++) {
    const value = Atomics.and(words, word, ~(1 << (KEY_WAITING_SHIFT + shard)));
    if ((value & KEY_HOLDER) === shard + 1) Atomics.and(words, word, ~KEY_HOLDER);
  }
}

/** The counts of one consumer, a word for each shard. */
export function countsOf(gates: SharedArrayBuffer, gate: number): Int32Array {
  return new Int32Array(gates, gate * SHARDS_MAX * WORD_BYTES, SHARDS_MAX);
}

/** The words of all keys. */
export function keyWordsOf(gates: SharedArrayBuffer): Int32Array {
  return new Int32Array(gates, COUNTS * WORD_BYTES, GATE_WORDS);
}

/** The bells, a word for each shard. */
export function bellsOf(gates: SharedArrayBuffer): Int32Array {
  return new Int32Array(gates, (COUNTS + GATE_WORDS) * WORD_BYTES, SHARDS_MAX);
}
