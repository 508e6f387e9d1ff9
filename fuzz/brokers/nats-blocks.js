import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';

/**
 * What the disks of NATS servers have of a stream, read from the files of nats-server 2.9 without it: servers of one cluster have to have
 * the same message at each sequence. Where they have not, whatever was seen of the stream is the servers' doing.
 *
 * A record of a block is its length (32 bits, the highest says that it has headers), sequence, time, the length of the subject, and
 * the subject, headers and data.
 */
const LENGTH_MASK = 0x7fffffff;
const SEQUENCE_AT = 4;
const SUBJECT_LENGTH_AT = 20;
const SUBJECT_AT = 22;
/** Behind each record. */
const CHECKSUM_BYTES = 8;

/** @returns {Map<number, number>} a digest of each message of a stream that lies in a store directory, by its sequence */
function messagesIn(storeDir, stream) {
  const folder = join(storeDir, 'jetstream', '$G', 'streams', stream, 'msgs');
  const messages = new Map();
  for (const file of readdirSync(folder)) {
    if (file.endsWith('.blk')) readBlock(readFileSync(join(folder, file)), messages);
  }
  return messages;
}

function readBlock(bytes, messages) {
  for (let at = 0; at + SUBJECT_AT <= bytes.length; ) {
    const length = bytes.readUInt32LE(at) & LENGTH_MASK;
    if (length < SUBJECT_AT || at + length > bytes.length) return;
    const sequence = Number(bytes.readBigUInt64LE(at + SEQUENCE_AT));
    // The time is each leader's own; headers and data begin behind the subject.
    const content = bytes.subarray(at + SUBJECT_LENGTH_AT, at + length - CHECKSUM_BYTES);
    messages.set(sequence, crc32(content));
    at += length;
  }
}

/**
 * @param {string[]} storeDirs  of the servers, which have ended
 * @param {string} stream
 * @returns the sequences at which not all of them that have a message have the same one
 */
export function differencesIn(storeDirs, stream) {
  const all = storeDirs.map((dir) => messagesIn(dir, stream));
  const differing = new Set();
  for (const [at, messages] of all.entries()) {
    for (const [sequence, digest] of messages) {
      for (const others of all.slice(at + 1)) {
        const other = others.get(sequence);
        if (other !== undefined && other !== digest) differing.add(sequence);
      }
    }
  }
  return [...differing].sort((a, b) => a - b);
}
