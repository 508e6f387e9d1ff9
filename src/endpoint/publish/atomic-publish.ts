import { ACK_REFUSED } from '../../link/link-records.js';
import { BusError } from '../../protocol/errors.js';
import type { PublishAck } from '../../protocol/event.js';
import { quote } from '../../protocol/quote.js';
import type { PendingPublish } from '../links/endpoint-end.js';
import { ackOf } from './pending-publish.js';
import type { PublishMoment } from './publish-moment.js';

/** An atomic `publishMany`: all its events have one outcome. */
export class AtomicPublish implements PendingPublish {
  onSettled: (() => void) | undefined;
  isSettled = false;
  readonly #acks: PublishAck[] = [];

  constructor(
    readonly ids: readonly string[],
    readonly topics: readonly string[],
    readonly moment: PublishMoment,
    readonly resolve: (acks: PublishAck[]) => void,
    readonly reject: (error: BusError) => void,
  ) {}

  settle(shard: number, kind: number, sequence: number, error: BusError | undefined): void {
    if (this.isSettled) return;
    if (kind === ACK_REFUSED) {
      this.fail(error!);
      return;
    }
    const { ids, topics, moment } = this;
    const acks = this.#acks;
    const at = acks.length;
    acks.push(ackOf(ids[at]!, topics[at]!, shard, kind, sequence, moment));
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
