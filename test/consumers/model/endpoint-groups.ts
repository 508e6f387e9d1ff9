/** The acks with events that an endpoint has sent and has no answers to: it sends them again to a shard's next thread. */
import type { EndpointWorld, InHand } from './endpoint.js';
import type { GroupAck, GroupOutcome } from './group-acks.js';
import type { ShardUnderTest } from './shard.js';

interface Pending {
  readonly ack: GroupAck;
  readonly delivery: InHand;
}

export class EndpointGroups {
  readonly #endpoint: { readonly id: number };
  readonly #world: EndpointWorld;
  readonly #pending = new Map<string, Pending>();
  #sent = 0;

  constructor(endpoint: { readonly id: number }, world: EndpointWorld) {
    this.#endpoint = endpoint;
    this.#world = world;
  }

  send(member: number, delivery: InHand): void {
    const { shard, sequence, lease } = delivery;
    const ack: GroupAck = { id: `${this.#endpoint.id}:${++this.#sent}`, member, sequence, lease };
    delivery.isEnding = true;
    this.#pending.set(ack.id, { ack, delivery });
    this.#ring(this.#world.shards[shard]!).push(ack);
  }

  relink(shard: ShardUnderTest): void {
    shard.groups.rings.set(this.#endpoint.id, []);
    for (const { ack, delivery } of this.#pending.values()) {
      if (delivery.shard === shard.id) this.#ring(shard).push(ack);
    }
  }

  /** Returns the delivery, for whoever has it in hand. */
  answered(shard: ShardUnderTest, { id }: GroupAck, outcome: GroupOutcome): InHand | undefined {
    const pending = this.#pending.get(id);
    if (pending === undefined) return undefined;
    this.#pending.delete(id);
    const { ack, delivery } = pending;
    const others = [...this.#pending.values()];
    delivery.isEnding = others.some((one) => one.delivery === delivery);
    if (outcome === 'done') this.#world.confirmed(shard, { ...ack, kind: 'ack' }, true);
    this.#world.answered(delivery, outcome !== 'full');
    return delivery;
  }

  #ring(shard: ShardUnderTest): GroupAck[] {
    return shard.groups.rings.get(this.#endpoint.id)!;
  }
}
