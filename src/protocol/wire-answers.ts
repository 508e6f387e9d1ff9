import type { ConsumerRequests } from './consumer-frames.js';
import type { AnsweredType, RequestPayload, ServerPayloads } from './wire.js';

/** The type of frame that answers each type of request. Not in `wire.ts`, whose schemas a client does not need. */
export const ANSWER_TYPES = {
  authenticate: 'authenticated',
  publish: 'published',
  subscribe: 'subscribed',
  update: 'subscribed',
  unsubscribe: 'unsubscribed',
  query: 'result',
  get: 'result',
  topics: 'result',
  subscribers: 'result',
  stats: 'result',
  backup: 'result',
  prune: 'result',
  access: 'result',
  figures: 'result',
  connections: 'result',
  definitions: 'result',
  disconnect: 'result',
  alerts: 'result',
  setAlert: 'result',
  removeAlert: 'result',
  scheduled: 'result',
  cancel: 'result',
  schedules: 'result',
  schedule: 'result',
  nextTimes: 'result',
  setSchedule: 'result',
  alterSchedule: 'result',
  ping: 'pong',
  consumer: 'result',
  consumers: 'result',
  consumerOpen: 'result',
  consumerHeldKeys: 'result',
  seekPreview: 'result',
  consumerDead: 'result',
  alterConsumer: 'result',
  redrive: 'result',
  join: 'joined',
  resize: 'joined',
  leave: 'left',
  pull: 'result',
  settle: 'settled',
  request: 'answered',
  respond: 'responding',
  endRespond: 'respondEnded',
  ackAndPublish: 'published',
} as const satisfies Record<AnsweredType | keyof ConsumerRequests, keyof ServerPayloads>;

/** What a client asks and gets an answer to. */
export type AskedType = keyof typeof ANSWER_TYPES;
export type AskedPayload<T extends AskedType> = T extends keyof ConsumerRequests
  ? ConsumerRequests[T]
  : T extends AnsweredType
    ? RequestPayload<T>
    : never;

export type AnswerPayload<T extends AskedType> = ServerPayloads[(typeof ANSWER_TYPES)[T]];
