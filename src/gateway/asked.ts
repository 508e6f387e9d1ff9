import type { Asker } from '../main/asker.js';
import type {
  BusEndpoint,
  EventHandler,
  Query,
  SubscribeOptions,
  Subscription,
} from '../main/bus.js';
import { internalsOf } from '../main/internals.js';
import type { Event } from '../protocol/event.js';
import type { FilterData } from '../protocol/filter.js';

/** What a client asks of the bus, asked for it alone. An endpoint of the user's own making knows of no askers. */

export function subscribeFor(
  endpoint: BusEndpoint,
  asker: Asker,
  filter: FilterData,
  handler: EventHandler,
  options: SubscribeOptions,
): Subscription {
  const internals = internalsOf(endpoint);
  return internals === undefined
    ? endpoint.subscribe(filter, handler, options)
    : internals.subscribe(asker, filter, handler, options);
}

export function readFor(endpoint: BusEndpoint, asker: Asker, query: Query): AsyncIterable<Event> {
  return internalsOf(endpoint)?.read(asker, query) ?? endpoint.read(query);
}
