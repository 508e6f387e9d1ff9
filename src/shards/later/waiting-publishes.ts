/**
 * Takes publishes and groups that are to become events later: keeps each as a row of the open batch, and has it
 * acknowledged as one that waits. Only the shard's loop touches this.
 */
import {
  type GroupView,
  REPEATS_WAITING,
  TermsView,
  TOO_MANY_WAITING,
  WAITS,
} from '../../link/publish-records.js';
import { EVENT_FLAG_SYNCED, EventRecordView } from '../../record/event-record.js';
import type { LinkAcks } from '../link-acks.js';
import type { LaterPublishes } from './later-publishes.js';

export class WaitingPublishes {
  readonly #later: LaterPublishes;
  readonly #acks: LinkAcks;
  readonly #view = new EventRecordView();
  readonly #terms = new TermsView();

  constructor(later: LaterPublishes, acks: LinkAcks) {
    this.#later = later;
    this.#acks = acks;
  }

  /** Takes a publish whose terms say that it waits until `dueAt`, or refuses it if too many wait. */
  take(view: EventRecordView, terms: TermsView, dueAt: number, acceptedAt: number): void {
    const fault = this.#later.faultOf(1);
    if (fault !== undefined) {
      terms.judge(TOO_MANY_WAITING, 0);
      this.#acks.refused(0, fault, 1);
      return;
    }
    terms.judge(WAITS, dueAt);
    this.#later.put(view, dueAt, acceptedAt);
    this.#acks.waiting(dueAt, isSynced(view), 1);
  }

  /** Takes a publish with a publisher's own id that repeats one that waits; false for any other. */
  takeRepeat(view: EventRecordView, terms: TermsView | undefined): boolean {
    const dueAt = this.#later.repeated(view.bytes, view.offset);
    if (dueAt === undefined) return false;
    terms?.judge(REPEATS_WAITING, dueAt);
    this.#acks.waitingDuplicate(dueAt, isSynced(view), 1);
    return true;
  }

  /** Takes a group, judged already, all of whose events wait until `dueAt`. */
  takeGroup(group: GroupView, dueAt: number, acceptedAt: number): void {
    const { bytes, items } = group;
    group.judge(WAITS);
    this.#terms.wrap(bytes, items[0]!).judge(WAITS, dueAt);
    for (const item of items) this.#later.put(this.#eventOf(bytes, item), dueAt, acceptedAt);
    this.#acks.waiting(dueAt, isSynced(this.#eventOf(bytes, items[0]!)), items.length);
  }

  #eventOf(bytes: Buffer, item: number): EventRecordView {
    return this.#view.wrap(bytes, this.#terms.wrap(bytes, item).eventOffset);
  }
}

function isSynced({ flags }: EventRecordView): boolean {
  return (flags & EVENT_FLAG_SYNCED) !== 0;
}
