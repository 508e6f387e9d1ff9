import type { PublishAck } from '../protocol/event.js';

/** `01J…  #0:17  synced` */
export function readableAck(ack: PublishAck): string {
  const { id, shard, sequence, deliverAt, durability, duplicate } = ack;
  const numbered = sequence === undefined ? 'ephemeral' : `#${shard}:${sequence}`;
  const position = deliverAt === undefined ? numbered : `waits until ${deliverAt}`;
  const columns = [id, position, durability];
  if (duplicate) columns.push('duplicate');
  return columns.join('  ');
}
