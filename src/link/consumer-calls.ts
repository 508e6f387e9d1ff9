import type { SubscribeFrom } from '../protocol/subscribe-from.js';
import { by } from './call.js';
import type {
  AlterConsumerRequest,
  ConsumerChange,
  ConsumerEntry,
  ConsumerFindDeadAnswer,
  ConsumerFindDeadRequest,
  ConsumerJoinAnswer,
  ConsumerJoinRequest,
  ConsumerLeaveRequest,
  ConsumerPageRequest,
  ConsumerRedriveAnswer,
  ConsumerRedriveRequest,
  ConsumerSeekPreviewAnswer,
  ConsumerSeekPreviewRequest,
  ConsumerShardState,
  ConsumerSkipRequest,
  DeadEntriesPage,
  DueLetter,
  HeldKeyEntriesPage,
  ListedConsumer,
  OfConsumer,
  OfConsumers,
  OpenConsumerRequest,
  OpenEntriesPage,
  SentLetters,
  TakeLetters,
} from './consumer-shapes.js';
import { fields, isList, isNull, isNumber, isPosition, isText, isTrueOrFalse } from './shapes.js';

const LISTED = fields<ListedConsumer>({
  id: isText,
  name: isText,
  round: isNumber,
  createdAt: isNumber,
});
const LIST_OR_NULL = (value: unknown): boolean => isList(value) || isNull(value);

const PAGE = { consumer: isText, after: isPosition, limit: isNumber };

/** The calls about durable consumers; a part of the table in `calls.ts`. */
export const CONSUMER_CALLS = {
  /** Hands over the list of all consumers: the shard makes, changes and removes its own by it. */
  applyConsumers: by(
    'shard',
    fields<{ readonly entries: readonly ConsumerEntry[] }>({ entries: isList }),
    isNull,
  ),
  consumerJoin: by(
    'shard',
    fields<ConsumerJoinRequest>({
      member: isNumber,
      consumer: isText,
      concurrency: isNumber,
      isDetached: isTrueOrFalse,
      since: isNumber,
      leases: isList,
    }),
    fields<ConsumerJoinAnswer>({ position: isPosition, kept: isList }),
  ),
  consumerLeave: by(
    'shard',
    fields<ConsumerLeaveRequest>({ member: isNumber, how: isText }),
    isNull,
  ),
  /**
   * Answered once the shard has looked for events for the member: it has told the member of all that it leased to it, and
   * whether there are more. Events that the log had when it was asked count.
   */
  consumerLook: by('shard', fields<{ readonly member: number }>({ member: isNumber }), isNull),
  /** The endpoint has joined again with all leases that it holds, or it has no member. */
  consumersClaimed: by('shard', fields<object>({}), isNull),

  consumerState: by(
    'shard',
    fields<OfConsumer>({ consumer: isText }),
    fields<ConsumerShardState>({ position: isPosition, members: isList }),
  ),
  /** As `consumerState` for several at once, which costs no turn of the shard for each; null: unknown. */
  consumerStates: by(
    'shard',
    fields<OfConsumers>({ consumers: isList }),
    fields<{ readonly states: readonly (ConsumerShardState | null)[] }>({ states: isList }),
  ),
  /** Lists open events in the order of sequences. */
  consumerOpen: by(
    'shard',
    fields<ConsumerPageRequest>(PAGE),
    fields<OpenEntriesPage>({ events: isList }),
  ),
  /** Lists keys of which events wait, in the order of the sequences of their first events. */
  consumerHeldKeys: by(
    'shard',
    fields<ConsumerPageRequest>(PAGE),
    fields<HeldKeyEntriesPage>({ events: isList }),
  ),
  /** Lists dead events in the order of sequences. */
  consumerDead: by(
    'shard',
    fields<ConsumerPageRequest>(PAGE),
    fields<DeadEntriesPage>({ events: isList }),
  ),
  consumerFindDead: by(
    'shard',
    fields<ConsumerFindDeadRequest>({ consumer: isText, ids: isList, after: isPosition }),
    fields<ConsumerFindDeadAnswer>({ found: isList }),
  ),
  /** Opens dead events again; answered when that is stored. */
  consumerRedrive: by(
    'shard',
    fields<ConsumerRedriveRequest>({ ...PAGE, isDry: isTrueOrFalse }),
    fields<ConsumerRedriveAnswer>({ redriven: isList, isBusy: isTrueOrFalse }),
  ),
  /** What a `seek` would change for the next events of the log, in one step of several. */
  consumerSeekPreview: by(
    'shard',
    fields<ConsumerSeekPreviewRequest>({ ...PAGE, position: isPosition }),
    fields<ConsumerSeekPreviewAnswer>({ again: isNumber, passed: isNumber, unseen: isNumber }),
  ),
  /** Takes an open event for done; answered when that is stored. */
  consumerSkip: by(
    'shard',
    fields<ConsumerSkipRequest>({ consumer: isText, sequence: isPosition }),
    fields<{ readonly isFound: boolean }>({ isFound: isTrueOrFalse }),
    true,
  ),
  /** The oldest letters that are due. */
  takeLetters: by(
    'shard',
    fields<TakeLetters>({ limit: isNumber, except: isList }),
    fields<{ readonly letters: readonly DueLetter[] }>({ letters: isList }),
  ),
  /** These letters are published, and those never will be; answered when that is stored. */
  lettersSent: by('shard', fields<SentLetters>({ sent: isList, kept: isList }), isNull),

  /** Answered when every shard knows the consumer. */
  openConsumer: by(
    'main',
    fields<OpenConsumerRequest>({ name: isText, isUpdate: isTrueOrFalse }),
    LISTED,
  ),
  /** Lists the consumers of these names; null: all. */
  consumers: by(
    'main',
    fields<{ readonly names: readonly string[] | null }>({ names: LIST_OR_NULL }),
    fields<{ readonly consumers: readonly ListedConsumer[] }>({ consumers: isList }),
  ),
  /** By shard, the position behind which a `seek` would begin. */
  seekPositions: by(
    'main',
    fields<{ readonly id: string; readonly from: SubscribeFrom }>({ id: isText }),
    fields<{ readonly positions: readonly number[] }>({ positions: isList }),
  ),
  /** Answered when every shard knows the change; null after a deletion. */
  alterConsumer: by(
    'main',
    fields<AlterConsumerRequest>({ id: isText, change: fields<ConsumerChange>({ kind: isText }) }),
    fields<{ readonly consumer: ListedConsumer | null }>({}),
  ),
};
