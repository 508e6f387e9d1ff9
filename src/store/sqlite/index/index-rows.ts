import { checksumOf } from '../rows/checksums.js';

/**
 * A row of the topic index. The index only repeats what `events` holds, so a reader that finds it damaged reads the
 * rows of that block instead.
 */
export interface IndexRow {
  readonly block: number;
  readonly topic: number;
  readonly events: number;
  readonly bytes: number;
  readonly sequences: Buffer;
  readonly checksum: number;
}

/** Topic ids begin at 1; under 0 the index has the events whose id the publisher supplied. */
export const SUPPLIED_IDS = 0;
/**
 * The row under this number lists the topics, 0 included, that have a row in the block: 4 bytes each, ascending. It is
 * written with the block's last row.
 */
export const BLOCK_TOPICS = -2;

export function indexRowChecksum(
  block: number,
  topic: number,
  events: number,
  bytes: number,
  sequences: Uint8Array,
): number {
  return checksumOf(sequences, [block, topic, events, bytes]);
}

export function isSound(row: IndexRow): boolean {
  const { block, topic, events, bytes, sequences, checksum } = row;
  return checksum === indexRowChecksum(block, topic, events, bytes, sequences);
}

export function encodeTopics(topics: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * topics.length);
  for (const [at, topic] of topics.entries()) bytes.writeUInt32LE(topic, 4 * at);
  return bytes;
}

export function decodeTopics(bytes: Buffer): Set<number> {
  const topics = new Set<number>();
  for (let at = 0; at < bytes.length; at += 4) topics.add(bytes.readUInt32LE(at));
  return topics;
}

/** Whether the topic is among those of `encodeTopics`, which took them in ascending order. */
export function listsTopic(bytes: Buffer, topic: number): boolean {
  let low = 0;
  let high = bytes.length / 4;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (bytes.readUInt32LE(4 * middle) < topic) low = middle + 1;
    else high = middle;
  }
  return 4 * low < bytes.length && bytes.readUInt32LE(4 * low) === topic;
}
