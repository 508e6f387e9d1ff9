/** Reads a record of `disk.c`, change by change. */
const HEADER_BYTES = 32;

export function* changesOf(bytes) {
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const pathEnd = at + HEADER_BYTES + bytes.readUInt16LE(at + 2);
    const otherEnd = pathEnd + bytes.readUInt32LE(at + 24);
    const end = otherEnd + bytes.readUInt32LE(at + 4);
    // The process was killed while it wrote this change.
    if (end > bytes.length) return;
    yield {
      kind: String.fromCharCode(bytes[at]),
      inode: Number(bytes.readBigUInt64LE(at + 8)),
      offset: Number(bytes.readBigInt64LE(at + 16)),
      path: bytes.toString('utf8', at + HEADER_BYTES, pathEnd),
      other: bytes.toString('utf8', pathEnd, otherEnd),
      data: bytes.subarray(otherEnd, end),
    };
    at = end;
  }
}

/** The calls that a fault can meet: the kinds of the record, with the names that `disk.c` uses for faults. */
export const CALLS = {
  W: 'write',
  T: 'truncate',
  f: 'flush',
  N: 'rename',
  U: 'remove',
  D: 'mkdir',
  C: 'create',
};
