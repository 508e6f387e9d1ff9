import type { BusClient, Event } from 'millrace/client';

/** How many of the newest events of a topic are looked at for the one before. */
const NEAR = 100;
const FAR = 2000;
/** The time of a page is that of recording, which may be a little later than the publisher's. */
const TIME_TOLERANCE_MS = 5;

/** The stored event before this one on its topic; `undefined` if there is none among the newest `FAR`. */
export async function previousOf(client: BusClient, event: Event): Promise<Event | undefined> {
  const { topic } = event;
  const until = new Date(Date.parse(event.timestamp) + TIME_TOLERANCE_MS);
  const isBefore = ({ sequence }: Event): boolean =>
    event.sequence === undefined || Number(sequence) < event.sequence;
  const near = await client.query({ topic, until, reverse: true, limit: NEAR });
  const found = near.find(isBefore);
  if (found !== undefined || event.sequence === undefined) return found;
  // A publisher may give any time to its events.
  return (await client.query({ topic, reverse: true, limit: FAR })).find(isBefore);
}
