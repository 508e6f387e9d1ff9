import { identityOf } from '../../record/event-identity.js';
import { EVENT_FLAG_SUPPLIED_ID, type EventRecordView } from '../../record/event-record.js';
import { elapsedMs } from '../../threads/elapsed.js';

const IDS_MAX = 1024;

/** Ids that publishers supplied, of events that a log got recently: their repeats need not go to the broker. */
export class RecentIds {
  readonly #ids = new Map<string, { readonly sequence: number; readonly atMs: number }>();

  note(view: EventRecordView, sequence: number): void {
    if ((view.flags & EVENT_FLAG_SUPPLIED_ID) === 0) return;
    this.#ids.set(identityOf(view), { sequence, atMs: elapsedMs() });
    if (this.#ids.size <= IDS_MAX) return;
    const [oldest] = this.#ids.keys();
    this.#ids.delete(oldest!);
  }

  /** The sequence of the event that this one repeats, if the log got it within the window; else 0. */
  find(view: EventRecordView, windowMs: number): number {
    const known = this.#ids.get(identityOf(view));
    return known !== undefined && elapsedMs() - known.atMs <= windowMs ? known.sequence : 0;
  }
}
