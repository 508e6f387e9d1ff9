/**
 * Publishes that were handed to a shard and are not acknowledged yet. A shard acknowledges in the order of its publish
 * ring, so each shard's pending publishes form a queue and an ack carries no id.
 */
import {
  ACK_DUPLICATE,
  ACK_DUPLICATE_WRITTEN,
  ACK_EPHEMERAL,
  ACK_REFUSED,
  ACK_WAITING_DUPLICATE,
  ACK_WAITING_DUPLICATE_WRITTEN,
  ACK_WAITING_WRITTEN,
  ACK_WRITTEN,
  isWaitingAck,
} from '../../link/link-records.js';
import type { BusError } from '../../protocol/errors.js';
import type { Durability, PublishAck } from '../../protocol/event.js';
import { StoredAck } from '../../protocol/stored-ack.js';
import type { PendingPublish } from '../links/endpoint-end.js';
import type { PublishMoment } from './publish-moment.js';

export function ackOf(
  id: string,
  topic: string,
  shard: number,
  kind: number,
  sequence: number,
  moment: PublishMoment,
): PublishAck {
  if (isWaitingAck(kind)) return waitingAckOf(id, topic, shard, kind, sequence, moment);
  const duplicate = kind === ACK_DUPLICATE || kind === ACK_DUPLICATE_WRITTEN;
  if (kind === ACK_EPHEMERAL) return { id, topic, shard, durability: 'none', duplicate };
  const isWritten = kind === ACK_WRITTEN || kind === ACK_DUPLICATE_WRITTEN;
  const durability: Durability = isWritten ? 'written' : moment.durability;
  // The first publish of this repeat was pruned before a restarted shard judged it again.
  if (sequence === 0) return { id, topic, shard, durability, duplicate };
  // The positions of the other logs at the first publish are no longer known.
  if (duplicate) return { id, topic, shard, sequence, durability, duplicate };
  return new StoredAck(id, topic, shard, sequence, durability, moment);
}

function waitingAckOf(
  id: string,
  topic: string,
  shard: number,
  kind: number,
  dueAt: number,
  moment: PublishMoment,
): PublishAck {
  const isWritten = kind === ACK_WAITING_WRITTEN || kind === ACK_WAITING_DUPLICATE_WRITTEN;
  const durability: Durability = isWritten ? 'written' : moment.durability;
  const duplicate = kind === ACK_WAITING_DUPLICATE || kind === ACK_WAITING_DUPLICATE_WRITTEN;
  return { id, topic, shard, deliverAt: new Date(dueAt).toISOString(), durability, duplicate };
}

export class SinglePublish implements PendingPublish {
  onSettled: (() => void) | undefined;
  isSettled = false;

  constructor(
    readonly id: string,
    readonly topic: string,
    readonly moment: PublishMoment,
    readonly resolve: (ack: PublishAck) => void,
    readonly reject: (error: BusError) => void,
  ) {}

  settle(shard: number, kind: number, sequence: number, error: BusError | undefined): void {
    this.#settled();
    if (kind === ACK_REFUSED) this.reject(error!);
    else this.resolve(ackOf(this.id, this.topic, shard, kind, sequence, this.moment));
  }

  fail(error: BusError): void {
    this.#settled();
    this.reject(error);
  }

  #settled(): void {
    this.isSettled = true;
    this.onSettled?.();
  }
}

/** A `tryPublish`: nobody waits for the ack, so only a failure is reported. */
export class UnawaitedPublish implements PendingPublish {
  constructor(readonly onError: (error: BusError) => void) {}

  settle(_shard: number, kind: number, _sequence: number, error: BusError | undefined): void {
    if (kind === ACK_REFUSED) this.fail(error!);
  }

  fail(error: BusError): void {
    // Called later, because the ring is being read now.
    queueMicrotask(() => this.onError(error));
  }
}
