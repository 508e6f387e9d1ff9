import { BusError } from '../protocol/errors.js';
import { optionInvalid } from '../protocol/options.js';
import type { OpenStore } from '../store/log-store.js';
import type { ParsedBusOptions } from './bus-options.js';

/**
 * Whether an open store has what the options of its bus ask for.
 * @throws BusError `OPTION_INVALID`, `SHARD_BY_MISMATCH`
 */
export function assertStoreFits(options: ParsedBusOptions, store: OpenStore): void {
  assertShardBy(options, store);
  assertConsumersFor(options, store);
  assertPayloadFiles(options, store);
}

/** @throws BusError `OPTION_INVALID`: a rule that waits for consumers would never remove anything */
function assertConsumersFor({ retention }: ParsedBusOptions, store: OpenStore): void {
  const rule = retention.findIndex(({ untilConsumedBy }) => untilConsumedBy !== undefined);
  if (rule < 0 || store.consumers !== undefined) return;
  const isOnBroker = store.consumerBroker !== undefined;
  const fault = isOnBroker
    ? 'a broker removes events without regard to consumers'
    : 'the store of this bus keeps no durable consumers';
  throw optionInvalid('openBus', `retention.${rule}.untilConsumedBy`, fault);
}

/** @throws BusError `OPTION_INVALID` */
function assertPayloadFiles({ claimCheckBytes }: ParsedBusOptions, store: OpenStore): void {
  if (claimCheckBytes === undefined || store.payloadFiles === true) return;
  const fault = 'the store of this bus keeps payloads with their events';
  throw optionInvalid('openBus', 'claimCheckBytes', fault);
}

function assertShardBy(options: ParsedBusOptions, { shardBy }: OpenStore): void {
  const { dir, store, shardBy: wanted } = options;
  const place = dir ?? `a bus ${store!.name}`;
  if (wanted === undefined || wanted.segments === shardBy?.segments) return;
  const found = shardBy === undefined ? 'the whole topic' : `segments: ${shardBy.segments}`;
  throw new BusError(
    'SHARD_BY_MISMATCH',
    `${place} divides topics by ${found}, not by segments: ${wanted.segments}, and that cannot be changed`,
    {
      details: { ...(dir === undefined ? {} : { dir }), expected: wanted, found: shardBy ?? null },
    },
  );
}
