/**
 * Acks that come with publishes, as a shard's thread takes them (`GroupAcks` of the desk): from a ring of their own, after
 * the control records, stored with the batch or refused with it, and carried out after the telling.
 */
import type { ConsumerMachine } from '../../../src/consumers/machine.js';
import type { Reference } from './reference.js';

/** A group of publishes with a lease in its head. */
export interface GroupAck {
  /** Of its events: a group that is sent again has the same. */
  readonly id: string;
  readonly member: number;
  readonly sequence: number;
  readonly lease: number;
}

/** `full`: the log had no room, and the lease goes on. */
export type GroupOutcome = 'done' | 'lost' | 'full';

interface Taken {
  readonly endpoint: number;
  readonly ack: GroupAck;
}

export interface GroupHost {
  readonly machine: ConsumerMachine;
  readonly reference: Reference;
  /** The groups whose events the log has. */
  readonly stored: Set<string>;
  readonly now: number;
  fault(text: string): void;
  answer(endpoint: number, ack: GroupAck, outcome: GroupOutcome): void;
}

export class ShardGroups {
  /** By endpoint. */
  readonly rings: Map<number, GroupAck[]> = new Map();
  #taken: Taken[] = [];
  #answers: (readonly [endpoint: number, ack: GroupAck, outcome: GroupOutcome])[] = [];

  /** A thread's memory is lost, the rings are not. */
  forget(): void {
    this.#taken = [];
    this.#answers = [];
  }

  take(host: GroupHost): void {
    const { machine, reference, stored, now } = host;
    for (const [endpoint, ring] of this.rings) {
      for (const ack of ring.splice(0)) {
        const { id, member, sequence, lease } = ack;
        const isMember = reference.members.some((one) => one.id === member);
        const verdict = isMember ? machine.beginAck(sequence, lease, now) : 'lost';
        const expected = isMember ? reference.beginAck(sequence, lease, now) : 'lost';
        if (verdict !== expected) host.fault(`an ack with events of ${sequence} is ${verdict}`);
        if (verdict === 'done' && stored.has(id)) host.fault(`${sequence} is open after its ack`);
        if (verdict === 'done') this.#taken.push({ endpoint, ack });
        else this.#answers.push([endpoint, ack, stored.has(id) ? 'done' : 'lost']);
      }
    }
  }

  /** What the commit makes true. */
  commit({ stored }: GroupHost): readonly GroupAck[] {
    const acks = this.#taken.map(({ ack }) => ack);
    for (const { id } of acks) stored.add(id);
    return acks;
  }

  /** The log had no room for the batch. */
  refused(host: GroupHost): void {
    this.#end(host, false);
    this.#tell(host);
  }

  /** After the commit, and after what it decided was told. */
  end(host: GroupHost): void {
    this.#end(host, true);
    this.#tell(host);
  }

  #end({ machine, reference, now }: GroupHost, isStored: boolean): void {
    for (const { endpoint, ack } of this.#taken.splice(0)) {
      machine.endAck(ack.sequence, isStored, now);
      reference.endAck(ack.sequence, isStored);
      this.#answers.push([endpoint, ack, isStored ? 'done' : 'full']);
    }
  }

  #tell(host: GroupHost): void {
    for (const [endpoint, ack, outcome] of this.#answers.splice(0)) {
      if (host.stored.has(ack.id) !== (outcome === 'done')) {
        host.fault(`the ack with events of ${ack.sequence} is ${outcome}, and its events are not`);
      }
      host.answer(endpoint, ack, outcome);
    }
  }
}
