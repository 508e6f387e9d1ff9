import { isDeepStrictEqual } from 'node:util';
import { attempt, hold, shown } from '../hold.js';
import { depthOf, membersIn, oneLine, readJson, repeatsKeys } from '../plain-json.js';
import { mutateText } from '../texts.js';
import { someJson, strangeJson } from '../values.js';

/**
 * Payloads as JSON text: kept as it came, but for line breaks, through a frame, a body and a record; its depth, its
 * faults and its members, compared with a plain reader. A case is a text.
 */

const CODES = ['PAYLOAD_INVALID', 'PAYLOAD_TOO_LARGE'];
const DEPTHS = [0, 1, 2, 3, 4, 8, 63, 64, 65];
const BYTES_MAX = 1 << 20;

export async function open(load) {
  const product = {};
  for (const file of [
    'protocol/payload.js',
    'protocol/payload-text.js',
    'protocol/json-depth.js',
    'protocol/json-fault.js',
    'protocol/json-scanner.js',
    'protocol/frame-payloads.js',
    'protocol/wire.js',
    'gateway/http/body.js',
    'record/event-record.js',
  ]) {
    Object.assign(product, await load(file));
  }
  product.encoder = new product.EventRecordEncoder();
  product.view = new product.EventRecordView();
  return { make, check: (text) => check(text, product) };
}

function make(random, pool) {
  const kind = random.below(10);
  if (kind === 0) return nested(random);
  const text = kind < 6 ? strangeJson(random, someJson(random)) : random.pick(pool);
  return kind % 2 === 0 ? text : mutateText(random, text, random.pick(pool));
}

function nested(random) {
  const levels = random.pick([1, 2, 62, 63, 64, 65, 66, 70, 200]);
  const [open, close] = random.chance(0.5) ? ['[', ']'] : ['{"a":', '}'];
  const inner = random.pick(['1', '"[[[["', '"\\"{"', '[]', '{}']);
  return `${open.repeat(levels)}${inner}${close.repeat(random.chance(0.9) ? levels : levels - 1)}`;
}

/** @param {string} text */
function check(text, product) {
  const parsed = jsonOf(text);
  const node = readJson(text);
  hold((parsed === undefined) === (node === undefined), 'the plain reader is wrong');
  const fault = product.findJsonFault(text);
  hold((fault === undefined) === (node !== undefined), () => `its fault: ${shown(fault)}`);
  product.isDeeperThan(text, 2);
  if (parsed === undefined || node === undefined) {
    const lines = text.split('\n');
    const isInside = fault.column >= 1 && fault.column <= (lines[fault.line - 1]?.length ?? -1) + 1;
    hold(isInside, () => `the fault is outside of the text: ${shown(fault)}`);
    const { error } = attempt(['PAYLOAD_INVALID'], () => product.withPayloadText({}, text));
    hold(error !== undefined, 'a text that is not JSON is taken for a payload');
    return;
  }
  const depth = depthOf(node);
  for (const one of DEPTHS) {
    hold(product.isDeeperThan(text, one) === depth > one, () => `depth ${depth}, asked ${one}`);
  }
  const members = membersIn(node);
  hold(product.memberCount(text) === members, () => `${members} members are counted wrong`);
  checkKept(text, node, parsed.value, product);
  const payload = attempt(CODES, () => product.payloadText(parsed.value, BYTES_MAX));
  if (payload.error !== undefined) return;
  hold(isDeepStrictEqual(JSON.parse(payload.value), normal(parsed.value)), 'another value');
}

/** `JSON.stringify` writes `-0` as 0, and infinity as null. */
function normal(value) {
  return JSON.parse(JSON.stringify(value));
}

function jsonOf(text) {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

/** The text is kept by each way into the bus. */
function checkKept(text, node, value, product) {
  const expected = oneLine(text, node);
  const given = product.withPayloadText({ topic: 'a', type: 'b' }, text);
  compare('withPayloadText', product.givenPayloadText(given), expected);
  hold(isDeepStrictEqual(given.payload, value), 'withPayloadText: another value');
  const event = `{"payload" : 1, "topic":"a","type":"b","\\u0070ayload":${text} }`;
  if (depthOf(node) <= 64) {
    const one = `{"payload":{"event":{"payload":[]},"event":${event}},"type":"publish"}`;
    const many = `{ "type":"publish","payload":{"events":[{"payload":7},${event},${event}]}}`;
    compare(
      'a frame',
      textOf(product, one, (payload) => payload.event),
      expected,
    );
    const { error } = product.parseClientFrame(many);
    hold(error !== undefined, 'an event without a topic is taken');
    const right = many.replace('{"payload":7}', () => event);
    compare(
      'a frame of several',
      textOf(product, right, ({ events }) => events[2]),
      expected,
    );
    const body = product.parseEvents(Buffer.from(`[${event},{"data":1}]`), 'the body');
    if (text.isWellFormed()) compare('a body', product.givenPayloadText(body[0]), expected);
  }
  checkRecord(expected, product);
  const received = { id: 'd', payload: value };
  product.keepPayloadText(received, expected);
  hold(product.saysMoreAsText(received) === repeatsKeys(node), 'saysMoreAsText');
  const sent = JSON.parse(product.eventText(received));
  hold(isDeepStrictEqual(sent.payload, JSON.parse(text)), 'eventText: another value');
}

function textOf(product, frameText, eventOf) {
  const { frame, error } = product.parseClientFrame(frameText);
  hold(error === undefined, () => `a good frame is refused: ${error?.message}`);
  product.notePublishedTexts(frame, frameText);
  return product.givenPayloadText(eventOf(frame.payload));
}

function checkRecord(text, { encoder, view }) {
  if (!text.isWellFormed()) return;
  encoder.topic = 'a';
  encoder.type = 'b';
  encoder.source = 'c';
  encoder.id = 'd';
  encoder.payload = text;
  const bytes = Buffer.alloc(encoder.measure() + 16, 0xaa);
  encoder.writeTo(bytes, 8);
  compare('a record', view.wrap(bytes, 8).payloadText, text);
}

function compare(where, found, expected) {
  hold(found === expected, () => `${where} keeps ${shown(found)}, and not ${shown(expected)}`);
}
