import { attempt, hold, shown } from '../hold.js';
import { mutateJson, revived, withStranger } from '../values.js';

/**
 * What programs give to the bus as objects: events, options of every call, definitions of consumers, alerts, schedules,
 * payloads. Values that JSON does not have stand in any place. A case is `{ call, value, isGood }`.
 */

const event = { topic: 'orders.new', type: 'order_created', payload: { total: 12 } };
const whole = {
  ...event,
  ...{
    id: 'order-1',
    source: 'shop',
    correlationId: 'run',
    causationId: 'c',
    attributes: { k: 'v' },
  },
  ...{ timestamp: '2026-01-31T12:00:00Z', expiresAt: '2027-01-31T12:00:00.5Z' },
};
const publish = [
  {},
  { durability: 'written', persist: true, idScope: 'source', ttlMs: 1000 },
  { expect: 'none' },
  { expect: { sequence: 3 } },
  { deliverAt: '2026-01-31T12:00:00Z' },
  { delayMs: 5 },
];
const EVENT = ['TOPIC_INVALID', 'EVENT_INVALID'];
const PAYLOAD = ['PAYLOAD_INVALID', 'PAYLOAD_TOO_LARGE'];
const FILTER = ['OPTION_INVALID', 'FILTER_INVALID', 'PATTERN_INVALID'];

/** For each call: its module, what good values of it look like, the codes of its refusals, and whether it is idempotent. */
const CALLS = {
  checkEventInput: { file: 'protocol/event-input.js', good: [event, whole], codes: EVENT },
  checkPublishOptions: { file: 'protocol/options.js', good: publish, codes: ['OPTION_INVALID'] },
  checkPublishManyOptions: {
    file: 'protocol/options.js',
    good: [
      {},
      { atomic: true, expect: { 'orders.new': { sequence: 3 } } },
      { durability: 'synced' },
    ],
    codes: ['OPTION_INVALID'],
  },
  parseConsumerOptions: {
    file: 'protocol/consumer-definition.js',
    good: [
      { filter: 'orders.*' },
      {
        ...{
          filter: { topics: ['a.*'] },
          from: { last: 3 },
          order: 'attributes.k',
          leaseMs: 30_000,
        },
        ...{ maxAttempts: 5, backoffMs: [1000, 10_000], maxInFlight: 10, deadLetter: 'dead.mail' },
        ...{ maxAhead: 1000, ackDurability: 'written', update: true },
      },
      { filter: 'orders.*', priority: ['orders.urgent', 'orders.*'], from: 'earliest' },
    ],
    codes: FILTER,
  },
  parseAlertRule: {
    file: 'protocol/alert-rule.js',
    good: [
      { name: 'quiet', when: 'no event on orders.* for 5 min', severity: 'critical' },
      {
        name: 'fast',
        when: { kind: 'rate', pattern: 'a.*', above: 5, overMs: 60_000 },
        enabled: false,
      },
      { name: 'one', when: { kind: 'event', filter: { topics: ['a'], types: ['b'] } } },
      { name: 'late', when: { kind: 'lag', above: 10, subscription: 'a*', forMs: 1000 } },
      {
        name: 'full',
        when: { kind: 'consumer', consumer: 'mailer', figure: 'dead', above: 0, forMs: 0 },
      },
    ],
    codes: ['ALERT_INVALID'],
    isIdempotent: true,
  },
  parseFilter: {
    file: 'protocol/filter.js',
    good: ['a.*', ['a', 'b'], { topics: ['a'], types: ['t'], attributes: { k: ['v'] } }],
    codes: FILTER,
    isIdempotent: true,
  },
  keptSchedule: {
    file: 'protocol/schedule-text.js',
    good: [
      { cron: '0 9 * * 1-5', timeZone: 'Europe/Berlin', event },
      { everyMs: 60_000, anchor: '2026-01-31T12:00:00Z', missed: 'last', ttlMs: 5, event },
    ],
    codes: ['OPTION_INVALID', ...EVENT, ...PAYLOAD],
  },
  parseBusOptions: {
    file: 'main/bus-options.js',
    good: [
      {},
      {
        ...{
          dir: './data',
          shards: 2,
          shardBy: { segments: 1 },
          source: 's',
          defaultPersist: false,
        },
        ...{
          noPersistTopics: ['a.*'],
          retention: [{ pattern: 'a', maxAgeMs: 5 }, { keepPerTopic: 1 }],
        },
        ...{ ringBytes: 1 << 20, commitBatchEvents: 10, maxPayloadBytes: 1000, publishWaitMs: 0 },
        ...{ dedupeWindowMs: 0, dedupeIdsMax: 0, systemEvents: { persist: true }, alerts: [] },
      },
    ],
    codes: ['OPTION_INVALID'],
  },
  parseGatewaySettings: {
    file: 'gateway/settings.js',
    good: [
      {},
      {
        ...{ port: 0, host: '127.0.0.1', basePath: '/bus', compression: true, heartbeatMs: 1000 },
        ...{
          allowedOrigins: ['https://app.example'],
          allowedHosts: ['a.example'],
          maxFrameBytes: 2048,
        },
        ...{
          trustedProxies: ['10.0.0.0/8', 'loopback'],
          environment: 'test',
          maxPublishPerSecond: 5,
        },
      },
    ],
    codes: ['OPTION_INVALID', 'INSECURE_BIND'],
  },
  parseQuery: {
    file: 'endpoint/read/parse-query.js',
    good: [
      { topic: 'a.*' },
      {
        topic: ['a', 'b.*'],
        since: '2026-01-31T12:00:00Z',
        until: '2027-01-31T12:00:00Z',
        limit: 5,
      },
      { topic: 'a', types: ['t'], sources: ['s'], correlationIds: ['c'], attributes: { k: ['v'] } },
    ],
    codes: ['QUERY_INVALID', 'OPTION_INVALID', 'CURSOR_INVALID', ...FILTER],
  },
  payloadText: {
    file: 'protocol/payload.js',
    good: [1, 'a', [null], { a: { b: [] } }],
    codes: PAYLOAD,
  },
};
const NAMES = Object.keys(CALLS).filter((name) => CALLS[name].good.length > 0);

export async function open(load) {
  const product = {};
  for (const name of NAMES) product[name] = (await load(CALLS[name].file))[name];
  const isCase = ({ call, value }) => NAMES.includes(call) && value !== undefined;
  return { make, isCase, check: (one) => check(one, product) };
}

function make(random, pool) {
  const call = random.pick(NAMES);
  const good = random.pick(CALLS[call].good);
  const kind = random.below(10);
  if (kind === 0) return { call, value: good, isGood: true };
  if (kind < 4) return { call, value: withStranger(random, good) };
  const other = random.pick(pool).value;
  const changed = mutateJson(random, random.chance(0.8) ? good : other, other);
  return { call, value: kind < 8 ? changed : mutateJson(random, changed, good) };
}

function check({ call, value, isGood = false }, product) {
  const { codes, isIdempotent = false } = CALLS[call];
  const given = revived(value);
  const run = (one) => callWith(product[call], call, one);
  // An object that throws whenever it is touched may do so, but not within a payload.
  const isHostile = call !== 'payloadText' && JSON.stringify(value).includes('"revoked"');
  if (isHostile) return attemptHostile(codes, () => run(given));
  const { value: result, error } = attempt(codes, () => run(given));
  hold(!isGood || error === undefined, () => `${call} refuses ${shown(value)}: ${error?.message}`);
  if (error !== undefined) {
    hold(error.message.length < 5000, () => `a message of ${error.message.length} characters`);
    hold(JSON.stringify(error.details ?? {}).length < 20_000, 'details without an end');
  }
  if (error !== undefined || !isIdempotent) return undefined;
  const again = run(JSON.parse(JSON.stringify(result)));
  hold(
    JSON.stringify(again) === JSON.stringify(result),
    () => `${call} twice: ${shown(again)}, and ${shown(result)}`,
  );
  return undefined;
}

function attemptHostile(codes, run) {
  attempt(codes, () => {
    try {
      return run();
    } catch (error) {
      if (error instanceof TypeError && error.message.includes('revoked')) return undefined;
      throw error;
    }
  });
}

function callWith(product, call, value) {
  if (call === 'keptSchedule') return product('nightly', value, 'bus', 10_000);
  if (call === 'payloadText') return product(value, 10_000);
  return product(value);
}
