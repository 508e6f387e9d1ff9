import type { StreamEntry } from '../shared/log-stream.js';

/** The last bytes of an entry, its checksum: see `sealed-record.ts`. */
export const SEAL_BYTES = 4;

/** An event that a log knows Redis to have had. */
export interface KnownEvent {
  /** 0: none. */
  readonly sequence: number;
  /** Its checksum, by which it is told from another one in its place; empty where it is not known. */
  readonly seal: Buffer;
}

export const NO_SEAL: Buffer = Buffer.alloc(0);

export function sealOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.subarray(bytes.length - SEAL_BYTES));
}

export function isSame({ bytes }: StreamEntry, { seal }: KnownEvent): boolean {
  return seal.length === 0 || Buffer.compare(sealOf(bytes), seal) === 0;
}

/**
 * For scripts: whether the shard has a known event, or had it before it was removed. A Redis that has taken over from another one
 * may lack it, or have another event in its place.
 */
export const HAS_EVENT = `
local function hasEvent(log, head, pruned, sequence, seal)
  sequence = tonumber(sequence)
  if tonumber(head or '0') < sequence then return false end
  if sequence <= tonumber(pruned or '0') then return true end
  local id = string.format('%.0f-0', sequence)
  local found = redis.call('XRANGE', log, id, id)[1]
  return found ~= nil and (seal == '' or string.sub(found[2][4], -${SEAL_BYTES}) == seal)
end
`;
