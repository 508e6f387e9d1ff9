import { crc32 } from 'node:zlib';

/** The events of the campaign. An event's content follows from its id, so the id is enough to check it. */
export const TOPICS = ['a.0', 'a.1', 'b.0', 'b.1', 'c.0', 'd.0', 'd.1'];

export function payloadOf(id, bytes) {
  return { id, fill: id.repeat(Math.ceil(bytes / id.length)).slice(0, bytes) };
}

export function digestOf(value) {
  return crc32(JSON.stringify(value)).toString(36);
}

/** An event as ledgers record it: its place, and a digest that shows whether it is the one that was published. */
/** @param {import('millrace').Event} event */
export function storedAs({ shard, sequence, id, topic, payload }) {
  return { shard, sequence, id, topic, payload: digestOf(payload) };
}
