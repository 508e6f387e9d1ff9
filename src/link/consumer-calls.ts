import { by } from './call.js';
import type {
  AlterConsumerRequest,
  ConsumerChange,
  ConsumerEntry,
  ConsumerJoinAnswer,
  ConsumerJoinRequest,
  ConsumerLeaveRequest,
  ListedConsumer,
  OpenConsumerRequest,
} from './consumer-shapes.js';
import { fields, isList, isNull, isNumber, isPosition, isText, isTrueOrFalse } from './shapes.js';

const LISTED = fields<ListedConsumer>({
  id: isText,
  name: isText,
  round: isNumber,
  createdAt: isNumber,
});
const LIST_OR_NULL = (value: unknown): boolean => isList(value) || isNull(value);

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
      leases: isList,
    }),
    fields<ConsumerJoinAnswer>({ position: isPosition, kept: isList }),
  ),
  consumerLeave: by(
    'shard',
    fields<ConsumerLeaveRequest>({ member: isNumber, how: isText }),
    isNull,
  ),

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
  /** Answered when every shard knows the change; null after a deletion. */
  alterConsumer: by(
    'main',
    fields<AlterConsumerRequest>({ id: isText, change: fields<ConsumerChange>({ kind: isText }) }),
    fields<{ readonly consumer: ListedConsumer | null }>({}),
  ),
};
