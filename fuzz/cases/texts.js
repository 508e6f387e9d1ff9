/** Random texts, and what becomes of a text by a random change. */

/** Characters at which parsers go wrong: separators, whitespace of any kind, controls, halves of pairs, long forms. */
export const ODD = [
  ...'.*+$#>/\\"\'{}[](),:;=%&?-_@!~^|<`',
  ...' \t\n\r\v\f\0\u0001\u001f\u007f\u0085\u00a0\u00ad\u1680\u180e\u2000\u200b\u200e\u2028\u2029\u202e\u202f\u205f\u2060\u3000\ufeff\ufffd\ufffe\uffff',
  ...'azAZ019',
  ...'éßİıſK中𝒳😀',
  '\ud800',
  '\udbff',
  '\udc00',
  '\udfff',
  'e\u0301',
  '😀\u200d😀',
];
/** Words that mean something somewhere. */
const WORDS = [
  ...['null', 'true', 'false', 'NaN', 'Infinity', '-0', '1e400', '9007199254740993', '0x10', '08'],
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'payload', 'type', 'topic'],
  ...['$sys', '..', '%00', '%zz', '%c3%a9', '\\u0000', '\\ud800', '\r\n', '\r\n\r\n', '*.*', '+.+'],
];
const LENGTHS = [0, 1, 2, 15, 16, 17, 63, 64, 65, 127, 128, 254, 255, 256, 257, 1023, 1024, 1025];

/** @param {import('../storage/random.js').Random} random */
export function oddText(random, lengthMax = 8) {
  let text = '';
  for (let left = random.below(lengthMax + 1); left > 0; left--) text += random.pick(ODD);
  return text;
}

/** A text whose length is near a limit. */
export function longText(random) {
  const part = random.chance(0.8) ? random.pick(ODD) : random.pick(WORDS);
  return part.repeat(Math.ceil(random.pick(LENGTHS) / part.length));
}

/**
 * A text changed in one to three places.
 *
 * @param {import('../storage/random.js').Random} random
 * @param {string} text
 * @param {string} other a text to take parts from
 */
export function mutateText(random, text, other = '') {
  let changed = text;
  for (let left = 1 + random.below(3); left > 0; left--)
    changed = changeOnce(random, changed, other);
  return changed.length > 100_000 ? changed.slice(0, 100_000) : changed;
}

function changeOnce(random, text, other) {
  const at = random.below(text.length + 1);
  const end = Math.min(text.length, at + random.below(4));
  switch (random.below(10)) {
    case 0:
      return text.slice(0, at) + random.pick(ODD) + text.slice(at);
    case 1:
      return text.slice(0, at) + random.pick(ODD) + text.slice(Math.min(text.length, at + 1));
    case 2:
      return text.slice(0, at) + text.slice(end);
    case 3:
      return text.slice(0, at) + random.pick(WORDS) + text.slice(end);
    case 4:
      return text.slice(0, end) + text.slice(at);
    case 5: {
      const from = random.below(other.length + 1);
      return text.slice(0, at) + other.slice(from, from + random.below(12)) + text.slice(end);
    }
    case 6:
      return flipped(text, at, 1 << random.below(8));
    case 7:
      return text.slice(0, at);
    case 8:
      return random.chance(0.9) ? text + text.slice(at) : text.slice(0, at) + longText(random);
    default:
      return text.slice(at) + text.slice(0, at);
  }
}

function flipped(text, at, bit) {
  if (at >= text.length) return text;
  return text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ bit) + text.slice(at + 1);
}

/** Bytes changed in one to three places. @param {Buffer} bytes */
export function mutateBytes(random, bytes, other = Buffer.alloc(0)) {
  let changed = bytes;
  for (let left = 1 + random.below(3); left > 0; left--) {
    const at = random.below(changed.length + 1);
    const end = Math.min(changed.length, at + random.below(5));
    const piece = [
      () => Buffer.from([random.below(256)]),
      () => Buffer.alloc(0),
      () => other.subarray(at, at + random.below(16)),
      () => changed.subarray(at, end),
      () => Buffer.from([random.pick([0, 1, 0x7f, 0x80, 0xc0, 0xf5, 0xfe, 0xff])]),
    ][random.below(5)]();
    const from = random.chance(0.5) ? at : end;
    changed = Buffer.concat([changed.subarray(0, at), piece, changed.subarray(from)]);
  }
  return changed;
}
