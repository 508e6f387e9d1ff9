/** The topics on which the bus tells of its durable consumers, and the types of those events. */

export const CONSUMER_TOPICS = '$sys.consumer';

export const CONSUMER_TYPES = {
  created: 'consumer_created',
  changed: 'consumer_changed',
  paused: 'consumer_paused',
  resumed: 'consumer_resumed',
  sought: 'consumer_sought',
  deleted: 'consumer_deleted',
  gap: 'consumer_gap',
  blocked: 'consumer_blocked',
  unblocked: 'consumer_unblocked',
  dead: 'consumer_dead',
  letter_failed: 'consumer_letter_failed',
} as const;

export type ConsumerNotice = keyof typeof CONSUMER_TYPES;

/** The payload of each of these events has these fields, beside those of its notice. */
export interface ConsumerNoticePayload {
  readonly consumer: string;
  /** The consumer's id, which no other consumer of the name has. */
  readonly consumerId: string;
}

/** `$sys.consumer.NAME.dead` and the like. */
export function consumerTopic(name: string, notice: ConsumerNotice): string {
  return `${CONSUMER_TOPICS}.${name}.${notice}`;
}
