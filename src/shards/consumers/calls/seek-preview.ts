/** What a seek would change, counted before it is done. Only the shard's loop touches this. */
import type {
  ConsumerSeekPreviewAnswer,
  ConsumerSeekPreviewRequest,
} from '../../../link/consumer-shapes.js';
import { SEEK_PREVIEW_EVENTS_PER_ANSWER } from '../../../protocol/limits/consumers.js';
import { CATCH_UP_BYTES_PER_STEP } from '../../../protocol/limits/shards.js';
import { EventRecordView } from '../../../record/event-record.js';
import type { ShardLog } from '../../../store/shard-log.js';
import type { DeskConsumer } from '../desk-consumer.js';
import type { Roster } from '../roster.js';

/**
 * Looks at the next events of the log that are to be done now and not after the seek, or the other way round: those
 * between the first open event and the furthest position, and those between that and the new position.
 *
 * @throws BusError `STORE_CORRUPT` if one of them is damaged
 */
export function seekPreview(
  { log, roster }: { readonly log: ShardLog; readonly roster: Roster },
  consumer: DeskConsumer,
  { position, after, limit }: ConsumerSeekPreviewRequest,
): ConsumerSeekPreviewAnswer {
  const until = Math.min(log.head, Math.max(position, furthest(consumer)));
  const from = Math.max(after, Math.min(position, consumer.floor));
  const view = new EventRecordView();
  let again = 0;
  let passed = 0;
  let last = from;
  const most = Math.max(1, Math.min(limit, SEEK_PREVIEW_EVENTS_PER_ANSWER));
  const request = { after: from, until, limit: most, limitBytes: CATCH_UP_BYTES_PER_STEP };
  const read = log.read(request, ({ sequence, bytes, offset }) => {
    last = sequence;
    view.wrap(bytes, offset);
    if (!isOf(roster, consumer, view)) return undefined;
    const isToDo = consumer.isToDo(sequence, view.topic);
    if (isToDo && sequence <= position) passed++;
    else if (!isToDo && sequence > position) again++;
    return undefined;
  });
  // Where none is left, those that are missing up to the end were pruned.
  const isOver = read === 0 || last >= until;
  return { again, passed, next: isOver ? null : last, unseen: isOver ? 0 : until - last };
}

function furthest({ lanes, machine }: DeskConsumer): number {
  let most = 0;
  for (let lane = 0; lane < lanes; lane++) most = Math.max(most, machine.lane(lane).position);
  return most;
}

function isOf(roster: Roster, consumer: DeskConsumer, view: EventRecordView): boolean {
  return roster.matching(view.topic).includes(consumer) && consumer.matches(view);
}
