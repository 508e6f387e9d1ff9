/** Where a subscription or a durable consumer begins. */
export type SubscribeFrom =
  | 'now'
  | 'earliest'
  | 'latest'
  | { last: number }
  | { since: Date | string }
  | { after: string };
