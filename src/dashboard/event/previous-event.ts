import type { BusClient, Event } from 'millrace/client';
import { type LookBackBounds, lookBack } from './look-back.js';

/** How far back the event before is looked for. */
const BOUNDS: LookBackBounds = { first: 2, events: 2000, weight: 8 * 1024 * 1024, ms: 5000 };
/** The time of a page is that of recording, which may be a little later than the publisher's. */
const TIME_TOLERANCE_MS = 5;

export interface Previous {
  readonly event: Event | undefined;
  /** How many events were looked at; all that there are, where `isAll` says so. */
  readonly looked: number;
  readonly isAll: boolean;
}

/** The stored event before this one on its topic, as far as it can be found within the bounds. */
export async function previousOf(client: BusClient, event: Event): Promise<Previous> {
  const { topic, timestamp } = event;
  const until = new Date(Date.parse(timestamp) + TIME_TOLERANCE_MS);
  const near = await lookFor(event, (limit) =>
    client.query({ topic, until, reverse: true, limit }),
  );
  // A publisher may give any time to its events. Where the event itself is not among these, it was recorded later, and
  // so may be those right before it.
  if (near.hasItself || (near.event === undefined && !near.isAll)) return near;
  return lookFor(event, (limit) => client.query({ topic, reverse: true, limit }));
}

interface Looked extends Previous {
  readonly hasItself: boolean;
}

async function lookFor(
  { sequence }: Event,
  ask: (limit: number) => Promise<readonly Event[]>,
): Promise<Looked> {
  let last: Looked = { event: undefined, looked: 0, isAll: false, hasItself: false };
  for await (const { events, isAll } of lookBack(ask, BOUNDS)) {
    const event = events.find((one) => sequence === undefined || Number(one.sequence) < sequence);
    const hasItself = sequence === undefined || events.some((one) => one.sequence === sequence);
    last = { event, looked: events.length, isAll, hasItself };
    if (event !== undefined) break;
  }
  return last;
}
