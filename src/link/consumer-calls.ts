import { by } from './call.js';
import type {
  ConsumerEntry,
  ConsumerJoinAnswer,
  ConsumerJoinRequest,
  ConsumerLeaveRequest,
} from './consumer-shapes.js';
import { fields, isList, isNull, isNumber, isPosition, isText, isTrueOrFalse } from './shapes.js';

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
};
