import { createHash } from 'node:crypto';

/**
 * What a bus has, in the order in which it reads it.
 *
 * @returns {Promise<{ id: string, topic: string, digest: string }[]>}
 */
export async function summaryOf(bus) {
  const events = [];
  for await (const { id, topic, payload } of bus.read({ topic: 'a.*' })) {
    events.push({ id, topic, digest: digestOf(payload) });
  }
  return events;
}

/** @param {unknown} payload */
export function digestOf(payload) {
  return createHash('sha256').update(JSON.stringify(payload)).digest('base64url').slice(0, 16);
}
