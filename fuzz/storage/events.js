import { crc32 } from 'node:zlib';

/** The events of the campaign: what is in one follows from its id, so that it is known wherever the id is. */
export const TOPICS = ['a.0', 'a.1', 'b.0', 'b.1', 'c.0', 'd.0', 'd.1'];

export function payloadOf(id, bytes) {
  return { id, fill: id.repeat(Math.ceil(bytes / id.length)).slice(0, bytes) };
}

export function digestOf(value) {
  return crc32(JSON.stringify(value)).toString(36);
}

/** An event as observations have it: what names it, and what it must have been. */
export function seenAs(event) {
  const { shard, sequence, id, topic, payload } = event;
  return { shard, sequence, id, topic, payload: digestOf(payload), digest: digestOf(event) };
}
