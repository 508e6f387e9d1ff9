import type { AnsweredType, ServerPayloads } from './wire.js';

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
  ping: 'pong',
} as const satisfies Record<AnsweredType, keyof ServerPayloads>;

export type AnswerPayload<T extends AnsweredType> = ServerPayloads[(typeof ANSWER_TYPES)[T]];
