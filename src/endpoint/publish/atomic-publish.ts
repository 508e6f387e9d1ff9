import { ACK_REFUSED } from '../../link/link-records.js';
import { BusError } from '../../protocol/errors.js';
import type { EventInput, IdScope, PublishAck } from '../../protocol/event.js';
import { ATOMIC_EVENTS_MAX } from '../../protocol/limits/bus-api.js';
import { quote } from '../../protocol/quote.js';
import type { Before } from '../../protocol/stored-ack.js';
import type { PendingPublish } from '../links/endpoint-end.js';
import { ackOf } from './pending-publish.js';

/** An atomic `publishMany`: all its events have one outcome. */
export class AtomicPublish implements PendingPublish {
  onSettled: (() => void) | undefined;
  isSettled = false;
  readonly #acks: PublishAck[] = [];

  constructor(
    readonly ids: readonly string[],
    readonly topics: readonly string[],
    readonly before: Before,
    readonly resolve: (acks: PublishAck[]) => void,
    readonly reject: (error: BusError) => void,
  ) {}

  settle(shard: number, kind: number, sequence: number, error: BusError | undefined): void {
    if (this.isSettled) return;
    if (kind === ACK_REFUSED) {
      this.fail(error!);
      return;
    }
    const { ids, topics, before } = this;
    const acks = this.#acks;
    const at = acks.length;
    acks.push(ackOf(ids[at]!, topics[at]!, shard, kind, sequence, before));
    if (acks.length < ids.length) return;
    this.#end();
    this.resolve(acks);
  }

  /** Called once for each event; the first call counts. */
  fail(error: BusError): void {
    if (this.isSettled) return;
    this.#end();
    this.reject(error);
  }

  #end(): void {
    this.isSettled = true;
    this.onSettled?.();
  }
}

/** @throws BusError `LIMIT_EXCEEDED`, or `EVENT_INVALID` if two of the events are the same by topic and id */
export function checkGroup(inputs: readonly EventInput[], idScope: IdScope = 'topic'): void {
  const events = inputs.length;
  if (events > ATOMIC_EVENTS_MAX) {
    const message = `atomic: ${events} events are over the limit of ${ATOMIC_EVENTS_MAX}`;
    const details = { events, limit: ATOMIC_EVENTS_MAX };
    throw new BusError('LIMIT_EXCEEDED', message, { details });
  }
  const seen = new Set<string>();
  for (const [index, { topic, id, source }] of inputs.entries()) {
    if (id === undefined) continue;
    const name = JSON.stringify(idScope === 'source' ? [topic, id, source] : [topic, id]);
    if (seen.has(name)) {
      const message = `events[${index}]: the id ${id} on ${quote(topic)} is there twice`;
      throw new BusError('EVENT_INVALID', message, { details: { field: 'id', index } });
    }
    seen.add(name);
  }
}

/** `shardOf` tells the shard of each topic; `shard` is the one that all have to have. */
export function acrossShards(
  topics: readonly string[],
  shard: number,
  shardOf: (topic: string) => number,
): BusError {
  const others = [...new Set(topics.filter((topic) => shardOf(topic) !== shard))];
  const more = others.length > 1 ? ` and ${others.length - 1} more topics are` : ' is';
  const message = `atomic: ${quote(others[0])}${more} not of shard ${shard}, as the others are`;
  return new BusError('ATOMIC_ACROSS_SHARDS', message, {
    details: { shard, topics: others.slice(0, 16) },
  });
}
