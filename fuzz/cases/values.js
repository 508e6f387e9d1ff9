import { longText, mutateText, ODD, oddText } from './texts.js';

/**
 * Random JSON values and texts, what becomes of a value by a random change, and values that JSON does not have. A case
 * has to be JSON, so that it can be kept in a file; `{ "$": NAME }` stands in it for a value that is none.
 */

const NUMBERS = [
  ...[0, -0, 1, -1, 0.5, 2, 15, 16, 17, 63, 64, 65, 127, 128, 255, 256, 1000, 1023, 1024, 1025],
  ...[
    2 ** 31 - 1,
    2 ** 31,
    2 ** 32,
    2 ** 53 - 1,
    2 ** 53,
    -(2 ** 53),
    1e21,
    1e308,
    5e-324,
    8.64e15,
  ],
];
const KEYS = [
  ...['topic', 'topics', 'type', 'payload', 'id', 'name', 'a', '', '0', 'é', '__proto__'],
  ...['constructor', 'toString', 'length', 'then', 'toJSON'],
];

/** @param {import('../storage/random.js').Random} random */
export function someNumber(random) {
  return random.chance(0.7) ? random.pick(NUMBERS) : random.below(200) - 20;
}

/** A random JSON value, at most `depth` levels deep. */
export function someJson(random, depth = 3) {
  const kind = random.below(depth > 0 ? 9 : 6);
  if (kind === 0) return null;
  if (kind === 1) return random.chance(0.5);
  if (kind === 2) return someNumber(random);
  if (kind < 5) return oddText(random, 5);
  if (kind === 5) return random.chance(0.05) ? longText(random) : random.pick(ODD);
  const count = random.below(4);
  if (kind === 6) return Array.from({ length: count }, () => someJson(random, depth - 1));
  const made = {};
  for (let i = 0; i < count; i++) put(made, random.pick(KEYS), someJson(random, depth - 1));
  return made;
}

/** Also `__proto__` becomes a member, as for `JSON.parse`. */
export function put(object, key, value) {
  Object.defineProperty(object, key, {
    value,
    enumerable: true,
    configurable: true,
    writable: true,
  });
}

const SPACES = ['', '', '', '', ' ', '  ', '\n', '\r\n', '\t', ' \n  ', '\n\t \r '];

/** JSON text of a value as a stranger would write it: spaces, repeated keys, escapes, other forms of numbers. */
export function strangeJson(random, value) {
  const gap = () => random.pick(SPACES);
  if (typeof value === 'string') return strangeString(random, value);
  if (typeof value === 'number') return strangeNumber(random, value);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) {
    const elements = value.map((one) => gap() + strangeJson(random, one) + gap());
    return `[${elements.length === 0 ? gap() : elements.join(',')}]`;
  }
  const members = Object.entries(value);
  if (members.length > 0 && random.chance(0.2)) members.push(random.pick(members));
  const texts = members.map(
    ([key, one]) =>
      `${gap()}${strangeString(random, key)}${gap()}:${gap()}${strangeJson(random, one)}${gap()}`,
  );
  return `{${texts.length === 0 ? gap() : texts.join(',')}}`;
}

function strangeString(random, text) {
  const json = JSON.stringify(text);
  if (json.length < 3 || random.chance(0.7)) return json;
  const at = random.below(text.length);
  const code = text.charCodeAt(at).toString(16).padStart(4, '0');
  const escaped = `\\u${random.chance(0.5) ? code : code.toUpperCase()}`;
  return `${JSON.stringify(text.slice(0, at)).slice(0, -1)}${escaped}${JSON.stringify(text.slice(at + 1)).slice(1)}`;
}

const FORMS = ['-0', '1e400', '-1E+2', '0.10', '1e-7', '9007199254740993', '123456789012345678901'];

function strangeNumber(random, value) {
  if (random.chance(0.3)) return random.pick(FORMS);
  return JSON.stringify(value) ?? '0';
}

/**
 * A value changed in one place: another value, a member more or less, a text or a number of it changed.
 *
 * @param {any} other
 */
export function mutateJson(random, value, other = null) {
  if (typeof value !== 'object' || value === null || random.chance(0.1)) {
    return mutateScalar(random, value, other);
  }
  const copy = Array.isArray(value) ? [...value] : { ...value };
  const keys = Object.keys(copy);
  const key = keys.length > 0 && random.chance(0.85) ? random.pick(keys) : random.pick(KEYS);
  switch (random.below(6)) {
    case 0:
      if (Array.isArray(copy)) copy.splice(Number(key) || 0, 1);
      else delete copy[key];
      return copy;
    case 1:
      if (Array.isArray(copy)) copy.push(...copy.slice(0, 3), someJson(random, 1));
      else put(copy, random.pick(KEYS), someJson(random, 1));
      return copy;
    case 2:
      if (Array.isArray(copy)) copy[Number(key) || 0] = other;
      else put(copy, key, other);
      return copy;
    default:
      if (Array.isArray(copy)) copy[Number(key) || 0] = mutateJson(random, copy[key], other);
      else put(copy, key, mutateJson(random, copy[key], other));
      return copy;
  }
}

/** @param {any} other */
function mutateScalar(random, value, other) {
  if (random.chance(0.15)) return someJson(random, 2);
  if (random.chance(0.1)) return other;
  if (typeof value === 'string') return mutateText(random, value, JSON.stringify(other) ?? '');
  if (typeof value !== 'number') return someJson(random, 1);
  if (random.chance(0.5)) return someNumber(random);
  return value + random.pick([-1, 1, 0.5, -value, value]);
}

/** Values that JSON does not have, by the names under which a case holds them. */
const STRANGERS = {
  undefined: () => undefined,
  NaN: () => Number.NaN,
  infinity: () => Number.POSITIVE_INFINITY,
  bigint: () => 10n,
  symbol: () => Symbol('one'),
  function: () => () => 1,
  date: () => new Date(1_750_000_000_000),
  'no date': () => new Date(Number.NaN),
  map: () => new Map([['topic', 'a']]),
  set: () => new Set(['a']),
  url: () => new URLSearchParams('topic=a'),
  bytes: () => new Uint8Array(4),
  proxy: () => new Proxy({}, {}),
  bare: () => Object.assign(Object.create(null), { topic: 'a' }),
  inherited: () => Object.create({ topic: 'a', type: 'b', last: 1 }),
  'text object': () => Object('a'),
  signal: () => new AbortController().signal,
  sparse: () => new Array(3),
  cycle: () => {
    const cycle = {};
    cycle.cycle = cycle;
    return cycle;
  },
  revoked: () => {
    const { proxy, revoke } = Proxy.revocable([], {});
    revoke();
    return proxy;
  },
};

/** A case with a stranger in one place. */
export function withStranger(random, value) {
  const stranger = { $: random.pick(Object.keys(STRANGERS)) };
  if (typeof value !== 'object' || value === null || random.chance(0.1)) return stranger;
  const keys = Object.keys(value);
  const key = keys.length > 0 ? random.pick(keys) : 'topic';
  const copy = Array.isArray(value) ? [...value] : { ...value };
  put(copy, key, random.chance(0.5) ? stranger : withStranger(random, value[key]));
  return copy;
}

/** The value for which a case stands: a copy, with strangers in the places of their names. */
export function revived(value) {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(revived);
  const keys = Object.keys(value);
  const name = keys.length === 1 && typeof value.$ === 'string' ? value.$ : '';
  if (Object.hasOwn(STRANGERS, name)) {
    return STRANGERS[name]();
  }
  const copy = {};
  for (const key of keys) put(copy, key, revived(value[key]));
  return copy;
}
