import { attempt, hold, shown } from '../hold.js';
import { mutateText } from '../texts.js';

/**
 * Times, durations and places in history as text, as programs, the command line and the doors read them; and expiry. A
 * case is a text.
 */

const TIMES = [
  ...['2026-01-31T12:00:00Z', '2026-01-31T12:00:00.123Z', '2024-02-29T23:59:59.999999999Z'],
  ...[
    '0000-01-01T00:00:00Z',
    '0099-12-31T00:00:00Z',
    '9999-12-31T23:59:59.999Z',
    '1969-12-31T23:59:59.9Z',
  ],
  ...[
    '2026-02-29T00:00:00Z',
    '2026-01-31T12:00:00+00:00',
    '2026-01-31T12:00:00+01:00',
    '1900-02-29T00:00:00Z',
  ],
];
const DURATIONS = [
  '250ms',
  '10s',
  '5m',
  '1h',
  '7d',
  '1.5h',
  '0',
  '1e3',
  '24d',
  '9007199254740991',
  '104249991374d',
];
const PLACES = [
  'now',
  'earliest',
  'latest',
  'last:5',
  'since:1h',
  'since:2026-01-31',
  'after:AQFl',
];
const OTHERS = [
  'http://127.0.0.1:7400',
  'localhost:7400',
  'wss://a.example/bus',
  'none',
  '17',
  'key=value',
  '1.5',
];
const ALL = [...TIMES, ...DURATIONS, ...PLACES, ...OTHERS];
const FORM = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|\+00:00)$/;

export async function open(load) {
  const values = await load('cli/values.js');
  const product = {
    ...(await load('protocol/timestamp.js')),
    ...(await load('protocol/expiry.js')),
  };
  const readers = [
    ...['parseDuration', 'parseTimeout', 'parseRate', 'parseBoolean', 'parseFrom', 'parsePlace'],
    ...[
      'parseTime',
      'parseInstant',
      'parseServer',
      'parseExpectation',
      'collectList',
      'collectAttribute',
    ],
  ].map((name) => [name, values[name]]);
  readers.push(['integerFrom', values.integerFrom(1, 1000)]);
  return { make, check: (text) => check(text, product, readers) };
}

function make(random, pool) {
  const kind = random.below(7);
  if (kind === 6) return random.pick(ALL);
  if (kind === 0) return someTime(random);
  if (kind === 1)
    return `${someTime(random).slice(0, -1)}${random.pick(['+00:00', '-00:00', 'z', '+23:59', ''])}`;
  if (kind === 2) return `${random.pick(['', 'since:', 'last:'])}${random.pick(DURATIONS)}`;
  if (kind === 3) return mutateText(random, random.pick(pool), random.pick(ALL));
  return mutateText(random, random.pick(ALL), random.pick(ALL));
}

function someTime(random) {
  const pad = (value, width) => String(value).padStart(width, '0');
  const year = random.chance(0.5)
    ? random.below(10_000)
    : random.pick([0, 99, 100, 1900, 2000, 2024, 9999]);
  const date = `${pad(year, 4)}-${pad(random.below(14), 2)}-${pad(random.below(33), 2)}`;
  const time = [25, 61, 61].map((end) => pad(random.below(end), 2)).join(':');
  const digits = random.below(11);
  const fraction = digits === 0 ? '' : `.${pad(random.below(10 ** digits), digits)}`;
  return `${date}T${time}${fraction}Z`;
}

function check(text, product, readers) {
  const { timestampMs, timestampFault, parseTimestamp } = product;
  const ms = timestampMs(text);
  const expected = plainMs(text);
  hold(Object.is(ms, expected), () => `${shown(text)} is ${ms}, and should be ${expected}`);
  hold((timestampFault(text) === undefined) === !Number.isNaN(ms), 'timestampFault');
  const { error } = attempt(['EVENT_INVALID'], () => parseTimestamp(text));
  hold((error === undefined) === !Number.isNaN(ms), 'parseTimestamp');
  if (!Number.isNaN(ms)) checkExpiry(text, ms, product);
  for (const [name, read] of readers) checkReader(name, read, text);
}

/** By `Date`, which takes any such text, and back, which shows whether it took it for another day. */
function plainMs(text) {
  const [, year, month, day, hour, minute, second, fraction = ''] = FORM.exec(text) ?? [];
  if (year === undefined) return Number.NaN;
  const start = `${year}-${month}-${day}T${hour}:${minute}:${second}`;
  const whole = `${start}.${fraction.padEnd(3, '0').slice(0, 3)}Z`;
  const date = new Date(whole);
  return Number.isNaN(date.getTime()) || date.toISOString() !== whole ? Number.NaN : date.getTime();
}

function checkExpiry(text, ms, { expiryOf, isExpired, ttlMsFault }) {
  const expiry = expiryOf({ expiresAt: text }, 5);
  hold(expiry === Math.max(1, ms), () => `it expires at ${expiry}`);
  const event = { expiresAt: new Date(ms).toISOString() };
  hold(isExpired(event, ms) && !isExpired(event, ms - 1), 'isExpired around the time');
  hold(!isExpired({}, ms) && expiryOf({}, undefined) === 0, 'an event without expiry');
  if (ttlMsFault(ms) === undefined) hold(expiryOf({}, ms) === -ms, 'a time to live');
}

/** The command line says what is wrong with the text, and stops for no other reason. */
function checkReader(name, read, text) {
  let value;
  try {
    value = read(text);
  } catch (error) {
    const isRefusal = error.code === 'commander.invalidArgument';
    hold(isRefusal, () => `${name} of ${shown(text)}: ${error.stack}`);
    return;
  }
  if (name === 'parseDuration')
    hold(Number.isSafeInteger(value) && value >= 0, () => `${name}: ${value}`);
  if (name === 'parseTimeout') hold(value >= 1 && value < 2 ** 31, () => `${name}: ${value}`);
  if (name === 'integerFrom') hold(value >= 1 && value <= 1000, () => `${name}: ${value}`);
  if (name === 'parseTime' || name === 'parseInstant') {
    // What the command line takes for a time, a server has to take as well, unless it is of no year with four digits.
    const isShort = /^\d{4}-\d\d-\d\d$/.test(text) || value.length > 24;
    hold(isShort || !Number.isNaN(plainMs(value)), () => `${name} of ${shown(text)}: ${value}`);
    const [day] = /^\d{4}-\d\d-\d\d/.exec(text) ?? [];
    const isDay = day === undefined || new Date(`${day}T00:00:00Z`).toJSON()?.startsWith(day);
    hold(isDay, () => `${name} takes ${shown(text)}, a day that there is not, for ${value}`);
  }
}
