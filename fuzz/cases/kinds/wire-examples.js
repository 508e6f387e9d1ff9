/** A frame of each type, as docs/PROTOCOL.md describes them. */

const event = {
  topic: 'orders.new',
  type: 'order_created',
  payload: { total: '12', lines: [1, null] },
};
const wholeEvent = {
  ...event,
  id: 'order-1',
  source: 'shop',
  correlationId: 'run-9',
  causationId: 'order-0',
  attributes: { agentId: '7' },
  timestamp: '2026-01-31T12:00:00.000Z',
  expiresAt: '2027-01-31T12:00:00.000Z',
};
const filter = {
  topics: ['orders.*', '+.new'],
  types: ['order_created'],
  categories: ['order'],
  sources: ['shop'],
  correlationIds: ['run-9'],
  attributes: { agentId: ['7', '8'] },
};
const query = {
  topic: ['orders.*'],
  since: '2026-01-31T12:00:00.000Z',
  types: ['a'],
  reverse: true,
};

/** @type {{ type: string, payload?: any, requestId?: any }[]} */
export const requests = [
  { type: 'authenticate', payload: { token: 'mr_0123456789abcdef_secret' } },
  { type: 'subscribe', payload: { subscription: 'all', filter: '*' } },
  { type: 'subscribe', payload: { subscription: 'all', filter: ['a', 'b.*'], from: 'earliest' } },
  { type: 'subscribe', payload: { subscription: 'one', filter, from: { last: 2 }, maxBuffer: 10 } },
  {
    type: 'subscribe',
    payload: { subscription: 'é', filter, from: { since: '2026-01-31T12:00:00Z' } },
  },
  {
    type: 'subscribe',
    payload: { subscription: 's', filter: '*', from: { after: 'AQFl' }, overflow: 'conflate' },
  },
  {
    type: 'subscribe',
    payload: { subscription: 'w', filter: '*', window: { events: 100, bytes: 65536 } },
  },
  { type: 'consumed', payload: { subscription: 'w', events: 7 } },
  { type: 'update', payload: { subscription: 'all', filter: 'orders.+' } },
  { type: 'unsubscribe', payload: { subscription: 'all' } },
  { type: 'publish', payload: { event } },
  {
    type: 'publish',
    payload: { event: wholeEvent, durability: 'written', persist: true, idScope: 'source' },
  },
  {
    type: 'publish',
    payload: { events: [event, wholeEvent], atomic: true, expect: { 'orders.new': 'none' } },
  },
  { type: 'publish', payload: { event, expect: { sequence: 4 }, ttlMs: 1000 } },
  { type: 'publish', payload: { event, deliverAt: '2027-01-31T12:00:00.000Z' } },
  { type: 'publish', payload: { event, delayMs: 5 } },
  { type: 'query', payload: query },
  { type: 'query', payload: { topic: 'orders.*', limit: 10, after: 'AQFl', latest: false } },
  { type: 'get', payload: { topic: 'orders.new', id: 'order-1', source: 'shop' } },
  { type: 'topics', payload: { pattern: 'orders.*' } },
  { type: 'topics' },
  { type: 'subscribers', payload: { topic: 'orders.new' } },
  { type: 'stats', payload: {} },
  { type: 'stats' },
  {
    type: 'prune',
    payload: { pattern: 'orders.*', before: '2026-01-31T12:00:00.000Z', maxEvents: 5 },
  },
  { type: 'access' },
  { type: 'figures', payload: { after: 0 } },
  { type: 'connections', payload: {} },
  { type: 'definitions' },
  { type: 'disconnect', payload: { id: '01K' } },
  { type: 'alerts' },
  {
    type: 'setAlert',
    payload: { rule: { name: 'quiet', when: 'no event on orders.* for 5 min' } },
  },
  { type: 'removeAlert', payload: { name: 'quiet' } },
  {
    type: 'consumer',
    payload: { name: 'mailer', options: { filter: 'orders.*', order: 'topic' } },
  },
  { type: 'consumers', payload: { names: ['mailer'] } },
  { type: 'consumerOpen', payload: { name: 'mailer', limit: 5 } },
  { type: 'seekPreview', payload: { name: 'mailer', from: 'earliest' } },
  { type: 'alterConsumer', payload: { name: 'mailer', change: { kind: 'pause' } } },
  {
    type: 'alterConsumer',
    payload: { name: 'mailer', change: { kind: 'seek', from: { last: 3 } } },
  },
  { type: 'redrive', payload: { name: 'mailer', dryRun: true } },
  { type: 'join', payload: { consumer: 'mailer', member: 'm1', concurrency: 4 } },
  { type: 'resize', payload: { member: 'm1', concurrency: 2 } },
  { type: 'leave', payload: { member: 'm1' } },
  { type: 'pull', payload: { consumer: 'mailer', max: 10, waitMs: 0 } },
  { type: 'settle', payload: { settlements: [{ lease: '01K.0.17.4', kind: 'ack' }] } },
  { type: 'scheduled', payload: { topic: ['orders.*'], limit: 5 } },
  { type: 'cancel', payload: { id: 'order-1', topic: 'orders.new' } },
  { type: 'schedules' },
  { type: 'schedule', payload: { name: 'nightly' } },
  { type: 'nextTimes', payload: { name: 'nightly', count: 3 } },
  { type: 'setSchedule', payload: { name: 'nightly', schedule: { cron: '0 9 * * 1-5', event } } },
  { type: 'alterSchedule', payload: { name: 'nightly', kind: 'pause' } },
  { type: 'request', payload: { event, timeoutMs: 1000 } },
  { type: 'respond', payload: { responder: 'r', pattern: 'prices.*' } },
  { type: 'answer', payload: { question: 1, payload: { a: 1 } } },
  { type: 'answer', payload: { question: 1, error: { message: 'no' } } },
  { type: 'endRespond', payload: { responder: 'r' } },
  { type: 'abandon', payload: { request: 7 } },
  { type: 'ackAndPublish', payload: { lease: '01K.0.17.4', events: [event] } },
  { type: 'ping', payload: {} },
  { type: 'ping' },
];

const sent = { ...wholeEvent, shard: 0, sequence: 4711 };
const { sequence: _, ...ephemeral } = sent;

/** @type {{ type: string, payload: any, requestId?: any }[]} */
export const answers = [
  {
    type: 'welcome',
    payload: {
      ...{ protocol: 'millrace.v1', server: 'millrace/0.1.0', epoch: 'da787dd6', shards: 2 },
      ...{
        connection: '01K',
        heartbeatMs: 30000,
        limits: { frameBytes: 1114112, payloadBytes: 1048576 },
      },
    },
  },
  { type: 'authenticated', payload: { principal: 'ada' } },
  { type: 'subscribed', payload: { subscription: 'all', cursor: 'AQFl', epoch: 'da787dd6' } },
  { type: 'unsubscribed', payload: { subscription: 'all' } },
  {
    type: 'published',
    payload: { acks: [{ id: '1', topic: 'a', shard: 0, durability: 'synced' }] },
  },
  { type: 'events', payload: { subscription: 'all', events: [sent, ephemeral], cursor: 'AQFl' } },
  { type: 'result', payload: { events: [sent], cursor: 'AQFl', more: true } },
  { type: 'result', payload: { topics: [{ topic: 'a' }] } },
  {
    type: 'result',
    payload: { deliveries: [{ lease: '01K', attempt: 1, leaseMs: 5, event: sent }] },
  },
  { type: 'result', payload: { page: { keys: [{ key: 'a', first: {} }], next: 'b' } } },
  { type: 'result', payload: { disconnected: true } },
  { type: 'result', payload: {} },
  { type: 'pong', payload: { time: '2026-01-31T12:00:00.000Z' } },
  { type: 'caughtUp', payload: { subscription: 'all', cursor: 'AQFl' } },
  { type: 'gap', payload: { subscription: 'all', shard: 0, from: 1, to: 5, reason: 'pruned' } },
  { type: 'dropped', payload: { subscription: 'all', count: 2 } },
  {
    type: 'ended',
    payload: { subscription: 'all', code: 'FORBIDDEN', message: 'no', cursor: 'AQFl' },
  },
  {
    type: 'joined',
    payload: { member: 'm1', leaseMs: 5, ackDurability: 'synced', maxAttempts: 5 },
  },
  {
    type: 'settled',
    payload: { results: [{}, { leaseMs: 5 }, { code: 'LEASE_LOST', message: 'no' }] },
  },
  {
    type: 'deliveries',
    payload: { member: 'm', deliveries: [{ lease: 'l', attempt: 1, leaseMs: 1, event: sent }] },
  },
  { type: 'leaseLost', payload: { member: 'm1', leases: ['l'] } },
  { type: 'memberEnded', payload: { member: 'm1', code: 'BUS_CLOSED', message: 'no' } },
  { type: 'question', payload: { responder: 'r', question: 1, event: sent } },
  { type: 'questionOver', payload: { question: 1 } },
  { type: 'answered', payload: { event: sent } },
  { type: 'error', payload: { code: 'FORBIDDEN', message: 'no', details: {} } },
];
