/**
 * Which publishes a batch takes while a `block` subscription is overdue. A batch never holds both refused and stored
 * publishes of one link: the ring position stored with it would claim that all of them are stored. So the link's first
 * publish decides which of the two the batch takes. Only the shard's loop touches this.
 */
import { type GroupView, TermsView } from '../link/publish-records.js';
import type { ErrorData } from '../protocol/errors.js';
import {
  EVENT_FLAG_PERSIST,
  EVENT_FLAG_SUPPLIED_ID,
  EventRecordView,
} from '../record/event-record.js';
import type { NameCache, recordNames } from '../record/name-cache.js';
import type { ShardLog } from '../store/shard-log.js';

/** Refuses publishes that have waited for a `block` subscription for as long as they may. */
export interface Refusing {
  /** The error with which a publish is refused; undefined lets it through. */
  refusalOf(topic: string, view: EventRecordView): ErrorData | undefined;
}

export class OverdueRule {
  /** Undefined while no subscription is overdue: the batch then takes everything. */
  refusing: Refusing | undefined;
  /** Why the link's first publish is refused, if it is. */
  refusal: ErrorData | undefined;
  readonly #log: ShardLog;
  readonly #names: NameCache<ReturnType<typeof recordNames>>;
  readonly #view = new EventRecordView();
  readonly #terms = new TermsView();
  #isFirst = true;

  constructor(log: ShardLog, names: NameCache<ReturnType<typeof recordNames>>) {
    this.#log = log;
    this.#names = names;
  }

  /** The batch goes on to the next link. */
  beginLink(): void {
    this.#isFirst = true;
    this.refusal = undefined;
  }

  /** False for a publish that has to wait for the next batch. */
  takes(view: EventRecordView): boolean {
    return this.#goesWithFirst(this.#refusalOf(view));
  }

  takesGroup({ bytes, items }: GroupView): boolean {
    let refusal: ErrorData | undefined;
    for (const item of items) {
      const { eventOffset } = this.#terms.wrap(bytes, item);
      refusal ??= this.#refusalOf(this.#view.wrap(bytes, eventOffset));
    }
    return this.#goesWithFirst(refusal);
  }

  #goesWithFirst(refusal: ErrorData | undefined): boolean {
    if (this.#isFirst) {
      this.#isFirst = false;
      this.refusal = refusal;
    }
    return (refusal === undefined) === (this.refusal === undefined);
  }

  /** A repeat is not delivered, so it waits for no subscription; and a stored event must not be reported as refused. */
  #refusalOf(view: EventRecordView): ErrorData | undefined {
    const { topic } = this.#names.of(view.bytes, view.offset);
    const refusal = this.refusing!.refusalOf(topic, view);
    return refusal !== undefined && this.#isRepeat(view) ? undefined : refusal;
  }

  #isRepeat(view: EventRecordView): boolean {
    const isSupplied = (view.flags & EVENT_FLAG_SUPPLIED_ID) !== 0;
    const isStored = isSupplied && (view.flags & EVENT_FLAG_PERSIST) !== 0;
    return isStored && this.#log.findDuplicate(view.bytes, view.offset) !== 0;
  }
}
