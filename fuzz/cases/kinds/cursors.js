import { attempt, hold, shown } from '../hold.js';
import { mutateBytes, mutateText } from '../texts.js';

/**
 * Cursors. A case is a `text`, or the bytes of one as `hex` to which the right checksum is added, so that a cursor is
 * not refused for that alone, or a position (`epoch` and `positions`).
 */

const CODES = ['CURSOR_INVALID'];
const POSITIONS = [0, 1, 127, 128, 16_383, 16_384, 2 ** 31, 2 ** 32, 2 ** 52, 2 ** 53 - 1];
const EPOCHS = ['e', 'da787dd67f7cf3f7', '~!', 'x'.repeat(64)];

export async function open(load) {
  const cursor = await load('protocol/cursor.js');
  const base64 = await load('protocol/base64url.js');
  return { make, check: (one) => check(one, cursor, base64) };
}

function make(random, pool) {
  const kind = random.below(4);
  const { text, hex } = random.pick(pool);
  if (kind === 0 || (kind === 1 && text === undefined)) return somePosition(random);
  if (kind === 1) return { text: mutateText(random, text, random.pick(pool).text) };
  const bytes =
    kind === 2 || hex === undefined ? bytesOf(somePosition(random)) : Buffer.from(hex, 'hex');
  return { hex: mutateBytes(random, bytes).toString('hex') };
}

function somePosition(random) {
  const count = random.chance(0.9) ? 1 + random.below(3) : random.pick([16, 17]);
  const positions = Array.from({ length: count }, () =>
    random.chance(0.7) ? random.pick(POSITIONS) : random.below(2 ** 31),
  );
  if (random.chance(0.02)) positions[0] = random.pick([-1, 0.5, 2 ** 53, null]);
  return {
    epoch: random.chance(0.98) ? random.pick(EPOCHS) : random.pick(['', 'é', ' ', 'x'.repeat(65)]),
    positions,
  };
}

/** Version, epoch, positions; without the checksum. */
function bytesOf({ epoch, positions }) {
  const bytes = [1, epoch.length, ...Buffer.from(epoch), positions.length];
  for (let rest of positions.map(Number)) {
    for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
    bytes.push(rest);
  }
  return Buffer.from(bytes);
}

function check({ text, hex, epoch, positions }, cursor, base64) {
  if (hex !== undefined) return checkText(withChecksum(Buffer.from(hex, 'hex')), cursor, base64);
  if (positions === undefined) return checkText(text, cursor, base64);
  const { value } = attempt(CODES, () => cursor.encodeCursor({ epoch, positions }));
  const isGood =
    /^[!-~]{1,64}$/.test(epoch) &&
    positions.length <= 16 &&
    positions.every((one) => Number.isSafeInteger(one) && one >= 0);
  hold((value !== undefined) === isGood, () => `encoded as ${value}`);
  if (value === undefined) return undefined;
  const expected = withChecksum(bytesOf({ epoch, positions }));
  hold(value === expected, () => `${value} is not ${expected}`);
  const decoded = cursor.decodeCursor(value);
  const isSame = decoded.epoch === epoch && decoded.positions.join() === positions.join();
  hold(isSame && value.length <= 320, () => `${value} is decoded as ${shown(decoded)}`);
  const raised = cursor.decodeCursor(cursor.cursorAfter(value, 0, 5));
  hold(raised.positions[0] === Math.max(5, positions[0]), () => `raised to ${shown(raised)}`);
  return undefined;
}

function checkText(text, cursor, base64) {
  const { value } = attempt(CODES, () => cursor.decodeCursor(text));
  if (value !== undefined) {
    const again = cursor.encodeCursor(value);
    hold(again === text, () => `${shown(text)} is another text of ${shown(value)}, ${again}`);
  }
  const bytes = base64.decodeBase64Url(text);
  const plain = Buffer.from(text, 'base64url');
  const isCanonical = plain.toString('base64url') === text;
  hold((bytes !== undefined) === isCanonical, () => `base64url ${shown(text)}: ${isCanonical}`);
  if (bytes === undefined) return;
  hold(plain.equals(bytes), () => `base64url ${shown(text)} is decoded as ${shown([...bytes])}`);
  hold(base64.encodeBase64Url(bytes) === text, () => `base64url ${shown(text)} encoded again`);
}

function withChecksum(bytes) {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  const sum = Buffer.alloc(4);
  sum.writeUInt32LE(hash >>> 0);
  return Buffer.concat([bytes, sum]).toString('base64url');
}
