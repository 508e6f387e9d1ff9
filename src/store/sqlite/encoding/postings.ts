/**
 * Encodes the sequences of one topic in one index block: the first as its distance from the block's first sequence,
 * each later one as its distance from the one before. Each number is written 7 bits to a byte, low bits first, with the
 * high bit set on all but the last byte. A distance fits 3 bytes as long as a block has at most 2^21 sequences.
 */
export const POSTING_BYTES_MAX = 3;

/** Appends one number at `offset`; returns the offset after it. */
export function writeVarint(bytes: Buffer, offset: number, value: number): number {
  let rest = value;
  let at = offset;
  while (rest > 0x7f) {
    bytes[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[at++] = rest;
  return at;
}

/** Appends the sequences to `into`, in order. */
export function decodePostings(bytes: Buffer, blockStart: number, into: number[]): void {
  let sequence = blockStart;
  let value = 0;
  let shift = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    value |= (byte & 0x7f) << shift;
    if (byte > 0x7f) {
      shift += 7;
      continue;
    }
    sequence += value;
    into.push(sequence);
    value = 0;
    shift = 0;
  }
}
