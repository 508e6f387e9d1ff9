import { isDeepStrictEqual } from 'node:util';
import { hold, shown } from '../hold.js';
import { ODD } from '../texts.js';

/**
 * Event records: what is written into one is read from it, wherever it lies, with one encoder, one view and one cache of
 * names for all cases. A case has the fields of an event that has passed the checks of a publish.
 */

const TEXTS = ['topic', 'type', 'source', 'id', 'correlationId', 'causationId'];
const LENGTHS = [1, 1, 2, 3, 16, 63, 64, 127, 128, 200, 255];
const TIMES = [0, 1, -1, 1_767_225_600_000, 1_767_225_600_000.5, 253_402_300_799_999];
const SEEDS = [0, 1, 0xffffffff];

export async function open(load) {
  const product = {};
  const files = ['record/event-record.js', 'record/name-cache.js', 'protocol/unparsed-event.js'];
  for (const file of [...files, 'protocol/event-input.js'])
    Object.assign(product, await load(file));
  product.encoder = new product.EventRecordEncoder();
  product.view = new product.EventRecordView();
  product.names = new product.NameCache(product.recordNames);
  const isCase = ({ event, offset, flags }) => {
    if (event === undefined || offset === undefined || flags === undefined) return false;
    return TEXTS.slice(0, 4).every((field) => event[field]) && event.payload?.startsWith('"');
  };
  return { make, check: (one) => check(one, product), isCase };
}

/** Text of at most so many bytes. */
function someText(random, bytesMax, isPrintable = true) {
  const length = Math.min(bytesMax, random.pick(LENGTHS));
  const characters = isPrintable ? ['a', 'b', '_', '-', 'Z', '9', '!', 'é', '中', '😀'] : ODD;
  let text = random.pick(['a', 'b', 'x']);
  if (random.chance(0.3)) return text.repeat(length);
  for (let left = Math.min(length, 40); left > 0; left--) text += random.pick(characters);
  text = text.toWellFormed();
  while (Buffer.byteLength(text) > bytesMax) text = text.slice(0, -1).toWellFormed();
  return text;
}

function make(random) {
  const event = {
    topic: random.chance(0.5) ? random.pick(['a', 'b.c', 'é.x']) : someText(random, 255),
    type: random.chance(0.5) ? random.pick(['a', 'b_c', 'é']) : someText(random, 255),
    source: random.chance(0.5) ? random.pick(['s', 'a b', '😀']) : someText(random, 255, false),
    id: random.pick(['1', 'x-_9', 'i'.repeat(64)]),
    timestamp: random.pick(TIMES),
    payload: JSON.stringify(random.chance(0.9) ? someText(random, 900, false) : random.below(1000)),
  };
  if (random.chance(0.4)) event.correlationId = someText(random, 255, false);
  if (random.chance(0.3)) event.causationId = random.pick(['c', 'c'.repeat(64)]);
  if (random.chance(0.4)) event.attributes = { k: someText(random, 1024, false), é: '' };
  if (random.chance(0.4)) event.expiry = random.pick([1, -1, 1_767_225_600_000, -5000]);
  return { event, offset: random.below(9), flags: random.below(32) };
}

function check({ event, offset, flags }, product) {
  const { encoder, view, names } = product;
  const { attributes, expiry = 0, timestamp, payload } = event;
  const { correlationId, causationId } = event;
  for (const field of TEXTS) encoder[field] = event[field] ?? '';
  encoder.attributes = attributes === undefined ? '' : JSON.stringify(attributes);
  Object.assign(encoder, { flags, timestamp, expiry, payload });
  const length = encoder.measure();
  const bytes = Buffer.alloc(offset + length + 8, 0xaa);
  const written = encoder.writeTo(bytes, offset);
  hold(written === length, () => `measured ${length} bytes, and wrote ${written}`);
  const isAround = bytes.every(
    (byte, at) => (at >= offset && at < offset + length) || byte === 0xaa,
  );
  hold(isAround, 'bytes outside of the record were written');
  view.wrap(bytes, offset);
  for (const field of TEXTS) {
    hold(
      view[field] === event[field],
      () => `${field} ${shown(event[field])} is read as ${shown(view[field])}`,
    );
  }
  const read = {
    flags: view.flags,
    length: view.length,
    timestamp: view.timestamp,
    expiry: view.expiry,
  };
  hold(
    isDeepStrictEqual(read, { flags, length, timestamp, expiry }),
    () => `numbers ${shown(read)}`,
  );
  hold(view.payloadText === payload, () => `the payload is read as ${shown(view.payloadText)}`);
  hold(
    isDeepStrictEqual(view.attributes, attributes),
    () => `attributes ${shown(view.attributes)}`,
  );
  const isPlain = (correlationId ?? causationId ?? attributes) === undefined && expiry === 0;
  hold(view.hasOptionalFields === !isPlain, () => `hasOptionalFields is ${view.hasOptionalFields}`);
  checkNames(event, names.of(bytes, offset), view);
  checkSums(bytes, offset, length, view, product);
  checkText(event, view, product);
  // As the shard stamps it.
  if (expiry !== 0) {
    view.expiry = 77;
    view.timestamp = 5;
    hold(view.expiry === 77 && view.isExpired(77) && !view.isExpired(76), 'a stamped expiry');
    hold(view.payloadText === payload && view.timestamp === 5, 'a stamp changes the payload');
  }
}

function checkNames(event, names, view) {
  const isSame = ['topic', 'type', 'source'].every((field) => names[field] === event[field]);
  hold(isSame, () => `the cache has ${shown(names)}`);
  hold(
    view.idAfter(names.length) === event.id,
    () => `idAfter is ${shown(view.idAfter(names.length))}`,
  );
}

function checkSums(bytes, offset, length, view, { EventRecordView }) {
  const moved = Buffer.concat([Buffer.alloc(3), bytes.subarray(offset, offset + length)]);
  const other = new EventRecordView().wrap(moved, 3);
  for (const seed of SEEDS) {
    const sum = view.checksum(seed);
    hold(other.checksum(seed) === sum, 'the checksum depends on the place');
    const whole = view.checksumOfReference(view.payloadBytes, seed);
    hold(whole === sum, 'the checksum of the parts is another');
  }
  moved[3 + length - 1] ^= 1;
  hold(other.checksum(0) !== view.checksum(0), 'the checksum does not cover the last byte');
}

function checkText(event, view, { UnparsedEvent }) {
  const { payload, expiry: _, timestamp: __, ...texts } = event;
  const fields = { ...texts, timestamp: '2026-01-01T00:00:00.000Z', shard: 1, sequence: 2 };
  const unparsed = new UnparsedEvent(fields, view.payloadText);
  const parsed = JSON.parse(unparsed.text);
  hold(
    isDeepStrictEqual(parsed, { ...fields, payload: JSON.parse(payload) }),
    () => `the event's text is ${shown(unparsed.text)}`,
  );
  hold(isDeepStrictEqual(JSON.parse(JSON.stringify(unparsed)), parsed), 'toJSON says otherwise');
}
