/**
 * The memory in which all shards of a bus agree on durable consumers. Main makes it, and the shards' threads use it.
 *
 * ```
 * i32 × CONSUMERS_MAX × SHARDS_MAX   how many events of a consumer each shard leases; a shard writes its own words
 * i32 × GATE_WORDS                   which shard has a member out with a key: 0 none, else the shard's number plus 1
 * ```
 *
 * A consumer's row of the first part is `ConsumerEntry.gate`. A key's word is found by a hash of consumer and key; keys
 * that share a word wait for each other, which costs time and no promise.
 */
import { CONSUMERS_MAX, GATE_WORDS } from '../protocol/limits/consumers.js';
import { SHARDS_MAX } from '../protocol/limits/shards.js';

const WORD_BYTES = 4;
const COUNTS = CONSUMERS_MAX * SHARDS_MAX;

export function createGates(): SharedArrayBuffer {
  return new SharedArrayBuffer((COUNTS + GATE_WORDS) * WORD_BYTES);
}

/** The counts of one consumer, a word for each shard. */
export function countsOf(gates: SharedArrayBuffer, gate: number): Int32Array {
  return new Int32Array(gates, gate * SHARDS_MAX * WORD_BYTES, SHARDS_MAX);
}

/** The words of all keys. */
export function keyWordsOf(gates: SharedArrayBuffer): Int32Array {
  return new Int32Array(gates, COUNTS * WORD_BYTES, GATE_WORDS);
}
