import { expect, it } from 'vitest';
import { type Asker, ITSELF } from '../../src/endpoint/asker.js';
import type { BusEndpoint } from '../../src/endpoint/bus-endpoint.js';
import { INTERNALS } from '../../src/endpoint/internals.js';
import { ClientLater, type ClientLaterHost } from '../../src/endpoint/later/client-later.js';
import type { Audit } from '../../src/gateway/audit.js';
import { GatewayLater, type LaterAsker } from '../../src/gateway/later/gateway-later.js';
import { principal } from './http/support/open-http.js';

/** A client's lists of what waits, and of schedules, are read in the turns of its connection, page by page. */

function oneShard(pages: number) {
  let given = 0;
  const call = async (name: string) => {
    given++;
    if (name === 'shardSchedules') return { schedules: [], next: given < pages ? 'name' : null };
    return { publishes: [], damage: [], next: given < pages ? { dueAt: given, number: 1 } : null };
  };
  const host = { ends: [{ shard: 0, call }], assertOpen: () => {}, segments: undefined };
  const later = new ClientLater(host as unknown as ClientLaterHost);
  const endpoint = { [INTERNALS]: { later } } as Partial<BusEndpoint> as BusEndpoint;
  return { later: new GatewayLater(endpoint, {} as Audit), given: () => given };
}

const client = { principal: principal(), rates: { query: () => {}, administer: () => {} } };

it.each(['scheduled', 'schedules'] as const)(
  'the list %s takes a turn for each page, and ends with its connection',
  async (kind) => {
    const { later, given } = oneShard(5);
    let turns = 0;
    const asker: Asker = {
      ...ITSELF,
      get isGone() {
        return turns > 3;
      },
      readInTurn: (_, read) => {
        turns++;
        return read();
      },
    };
    const of = client as unknown as LaterAsker;
    const list = kind === 'scheduled' ? later.scheduled(of, {}, asker) : later.schedules(of, asker);
    await expect(list).rejects.toMatchObject({ code: 'ABORTED' });
    expect([turns, given()]).toEqual([4, 3]);
  },
);
