import { isDeepStrictEqual } from 'node:util';
import { hold, shown } from '../hold.js';
import { mutateText, oddText } from '../texts.js';
import { put } from '../values.js';

/**
 * Masks of payloads: the automaton that follows all paths at once, compared with a plain walk for each path. A case has
 * `paths` and a `payload`.
 */

const NAMES = ['a', 'b', 'card', 'é', '0', '__proto__', 'constructor', "it's", 'x y', ''];
const PATHS = [
  ...[
    '$',
    '$.a',
    '$..a',
    '$.*',
    '$[*]',
    '$[0]',
    '$..[1]',
    "$['x y']",
    '$..*',
    '$.a.b',
    '$..a..b',
    '$.*.card',
  ],
  ...[
    '$["it\'s"]',
    "$['it\\'s']",
    '$..a[*].b',
    "$['']",
    '$.constructor',
    "$['__proto__']",
    '$..é',
    '$.a..[0]',
  ],
];
const REDACTED = '[redacted]';
const STEP =
  /(\.\.|\.(?!\[))?(?:([^\s\p{Cc}.[\]'"*\\]+)|(\*)|\[(?:(\*)|(\d+)|'((?:\\.|[^'\\])*)'|"((?:\\.|[^"\\])*)")\])/uy;

export async function open(load) {
  const { Masker } = await load('auth/masker.js');
  const paths = await load('auth/redaction-path.js');
  return {
    make,
    check: (one) => check(one, Masker, paths),
    isCase: ({ paths: list }) => list?.length > 0,
  };
}

function make(random) {
  const some = () => {
    const path = random.pick(PATHS);
    const longer = random.chance(0.3) ? path + random.pick(PATHS).slice(1) : path;
    return random.chance(0.15) ? mutateText(random, longer, random.pick(PATHS)) : longer;
  };
  return {
    paths: Array.from({ length: 1 + random.below(4) }, some),
    payload: payloadOf(random, 4),
  };
}

function payloadOf(random, depth) {
  if (depth === 0 || random.chance(0.15))
    return random.pick([1, null, 'x', REDACTED, true, oddText(random, 2)]);
  const count = random.below(4);
  if (random.chance(0.4)) return Array.from({ length: count }, () => payloadOf(random, depth - 1));
  const made = {};
  for (let i = 0; i < count; i++) put(made, random.pick(NAMES), payloadOf(random, depth - 1));
  return made;
}

function check({ paths, payload }, Masker, { redactionPathFault, parseRedactionPath }) {
  const good = paths.filter((path) => redactionPathFault(path) === undefined);
  for (const path of PATHS) {
    if (paths.includes(path))
      hold(good.includes(path), () => `${path} is refused: ${redactionPathFault(path)}`);
  }
  const before = JSON.stringify(payload);
  const masker = new Masker(good.map(parseRedactionPath));
  const expected = masked(payload, good.map(stepsOf));
  for (let turn = 0; turn < 2; turn++) {
    const told = masker.mask(payload);
    hold(
      isDeepStrictEqual(told, expected),
      () => `${shown(good)} makes ${shown(told)} of ${before}, and not ${shown(expected)}`,
    );
    hold(JSON.stringify(payload) === before, 'the payload itself was changed');
    hold(
      told === payload || JSON.stringify(told) !== before || before.includes(REDACTED),
      'a copy for nothing',
    );
  }
}

/** `[selector, isDeep]`; the selector `undefined` is any. */
function stepsOf(path) {
  const steps = [];
  STEP.lastIndex = 1;
  for (let at = 1; at < path.length; at = STEP.lastIndex) {
    const [, lead, name, star, bracketStar, index, single, double] = STEP.exec(path) ?? [];
    const quoted = (single ?? double)?.replace(/\\(.)/g, '$1');
    const isAny = star !== undefined || bracketStar !== undefined;
    const selector = isAny ? undefined : (name ?? (index === undefined ? quoted : Number(index)));
    steps.push([selector, lead === '..']);
  }
  return steps;
}

/** The value with all masked to which some path leads. */
function masked(value, paths) {
  if (paths.some((steps) => steps.length === 0)) return REDACTED;
  if (typeof value !== 'object' || value === null) return value;
  const below = (key) => paths.flatMap((steps) => nextOf(steps, key));
  if (Array.isArray(value)) return value.map((one, at) => masked(one, below(at)));
  const copy = {};
  for (const [key, one] of Object.entries(value)) put(copy, key, masked(one, below(key)));
  return copy;
}

function nextOf(steps, key) {
  const [[selector, isDeep]] = steps;
  const found = selector === undefined || selector === key ? [steps.slice(1)] : [];
  return isDeep ? [...found, steps] : found;
}
