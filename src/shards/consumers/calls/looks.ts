/**
 * Members that ask whether there is anything for them. They are answered when the desk has decided with their tokens what
 * it leases to them, and has told them so: then an endpoint that was leased nothing knows that nothing was there. Only the
 * shard's loop touches this.
 */
import type { ShardEnd } from '../../shard-end.js';
import type { DeskConsumer } from '../desk-consumer.js';
import type { DeskMember } from '../members/desk-members.js';
import { LaneReader } from '../reading/lane-reader.js';

interface Look {
  readonly member: DeskMember;
  /** The head of the log when it was asked. */
  readonly head: number;
  readonly done: () => void;
  /** Leases were decided since. */
  isDecided: boolean;
}

export class Looks {
  #open: Look[] = [];
  #isCut = false;

  add(member: DeskMember, head: number, done: () => void): void {
    this.#open.push({ member, head, done, isDecided: false });
  }

  /** Whether the next turn has to decide for them again. */
  get hasWork(): boolean {
    return this.#isCut;
  }

  /** Leases were decided; `isCut`: the turn has used up what it may do, so that events may have been passed over. */
  decided(isCut: boolean): void {
    this.#isCut = isCut && this.#open.length > 0;
    if (!isCut) for (const look of this.#open) look.isDecided = true;
  }

  /** The endpoint has left, and hears nothing any more. */
  leave(end: ShardEnd): void {
    this.#open = this.#open.filter(({ member }) => member.link.end !== end);
  }

  /** What was decided is told: answers those for which nothing more can come of what was there. */
  answer(isThere: (consumer: DeskConsumer) => boolean): void {
    if (this.#open.length === 0) return;
    this.#open = this.#open.filter((look) => {
      if (isThere(look.member.consumer) && !isOver(look)) return true;
      look.done();
      return false;
    });
  }
}

function isOver({ member, head, isDecided }: Look): boolean {
  const { consumer, link } = member;
  if (!isDecided || link.owes) return false;
  return consumer.machine.counts.ready > 0 || !LaneReader.isBehind(consumer, head);
}
