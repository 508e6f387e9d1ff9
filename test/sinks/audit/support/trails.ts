import { readFileSync } from 'node:fs';
import type { Event } from '../../../../src/protocol/event.js';
import type { Seal } from '../../../../src/sinks/audit/seal.js';
import { Trail, type TrailOptions } from '../../../../src/sinks/audit/trail.js';
import { listTrail } from '../../../../src/sinks/audit/trail-files.js';

/** Trails without a bus. */

export function eventOf(sequence: number, more: Partial<Event> = {}): Event {
  return {
    id: `id-${sequence}`,
    topic: 'orders.new',
    type: 'order_created',
    payload: { n: sequence, hash: 'x', text: ',"hash":"' },
    source: 'test',
    timestamp: '2026-01-01T00:00:00.000Z',
    shard: sequence % 2,
    sequence,
    ...more,
  };
}

export const entryOf = (event: Event) => ({ event, text: JSON.stringify(event) });

export function trailOf(dir: string, more: Partial<TrailOptions> & { seal?: Seal } = {}): Trail {
  return new Trail({
    ...{ dir, consumer: 'audit', seal: undefined, rotateBytes: 2048, rotateMs: Infinity },
    ...more,
  });
}

/** Writes a trail of several files, in batches, and closes it. */
export async function writeTrail(
  dir: string,
  events: number,
  batch = 3,
  more: Parameters<typeof trailOf>[1] = {},
): Promise<void> {
  const trail = trailOf(dir, more);
  for (let at = 1; at <= events; at += batch) {
    const length = Math.min(batch, events - at + 1);
    await trail.append(Array.from({ length }, (_, index) => entryOf(eventOf(at + index))));
  }
  await trail.close();
}

export const pathsOf = async (dir: string): Promise<string[]> =>
  (await listTrail(dir)).map(({ path }) => path);

/** The events of a trail, in its order. */
export async function eventsIn(dir: string): Promise<Event[]> {
  const lines = (await pathsOf(dir)).flatMap((path) =>
    readFileSync(path, 'utf8').trimEnd().split('\n'),
  );
  return lines.map((line) => JSON.parse(line).event).filter((event) => event !== undefined);
}
