import { isDeepStrictEqual } from 'node:util';
import { attempt, hold, shown } from '../hold.js';
import { mutateText } from '../texts.js';
import { mutateJson, someJson, strangeJson } from '../values.js';
import { answers, requests } from './wire-examples.js';

/**
 * The frames of the WebSocket as text, those of clients as the server reads them and those of servers as the client
 * does. A case is `{ side, text, isGood }`.
 */

const FIELDS = ['type', 'requestId', 'payload'];
const REQUEST_IDS = [1, 0, -1, 2 ** 53 - 1, 'a', 'x'.repeat(128), '😀'];
const WRONG_IDS = ['', 'x'.repeat(129), 1.5, 2 ** 53, null, [], true];
const DEPTH_MAX = 68;

export async function open(load) {
  const { parseClientFrame } = await load('protocol/wire.js');
  const { parseServerFrame } = await load('client/server-frame.js');
  const { notePublishedTexts, noteReceivedTexts } = await load('protocol/frame-payloads.js');
  const product = { parseClientFrame, parseServerFrame, notePublishedTexts, noteReceivedTexts };
  const isCase = ({ side, text }) => (side === 'client' || side === 'server') && text !== undefined;
  return { make, isCase, check: (one) => check(one, product) };
}

function make(random, pool) {
  const isClient = random.chance(0.7);
  const side = isClient ? 'client' : 'server';
  const frame = { ...random.pick(isClient ? requests : answers) };
  if (random.chance(0.5)) frame.requestId = random.pick(REQUEST_IDS);
  const kind = random.below(10);
  if (kind < 3) return { side, text: strangeJson(random, frame), isGood: isPlain(frame) };
  if (kind < 8) {
    const other = random.chance(0.5) ? random.pick(requests).payload : someJson(random, 2);
    return { side, text: strangeJson(random, mutateJson(random, frame, other)) };
  }
  if (kind === 8)
    return { side, text: JSON.stringify({ ...frame, requestId: random.pick(WRONG_IDS) }) };
  const text = random.chance(0.5) ? JSON.stringify(frame) : random.pick(pool).text;
  return { side, text: mutateText(random, text, random.pick(pool).text) };
}

/** Other forms of numbers may be other numbers, which a frame with numbers does not take. */
function isPlain(value) {
  if (typeof value === 'number') return false;
  return typeof value !== 'object' || value === null || Object.values(value).every(isPlain);
}

function check({ side, text, isGood = false }, product) {
  if (side === 'client') checkClient(text, isGood, product);
  else checkServer(text, isGood, product);
}

function checkClient(text, isGood, { parseClientFrame, notePublishedTexts }) {
  const { frame, error, requestId } = parseClientFrame(text);
  hold(!isGood || error === undefined, () => `a good frame is refused: ${error?.message}`);
  if (error !== undefined) {
    hold(error.name === 'BusError' && error.code === 'MESSAGE_INVALID', () => `${error.stack}`);
    hold(error.message.length < 1000, () => `a message of ${error.message.length} characters`);
    const { path, value } = error.details;
    hold(
      typeof path === 'string' && typeof value === 'string',
      () => `details ${shown(error.details)}`,
    );
  }
  if (frame === undefined) return checkId(text, requestId);
  const json = JSON.parse(text);
  hold(
    Object.keys(json).every((field) => FIELDS.includes(field)),
    'a field of no frame is taken',
  );
  hold(isDeepStrictEqual(frame.payload, json.payload) && frame.type === json.type, 'another frame');
  hold(isDeepStrictEqual(requestId, json.requestId), () => `requestId ${shown(requestId)}`);
  hold(depthOf(json) <= DEPTH_MAX, () => `a frame of ${depthOf(json)} levels is taken`);
  const again = parseClientFrame(JSON.stringify(frame));
  hold(
    again.frame !== undefined || text.includes('e400'),
    () => `not taken again: ${again.error?.message}`,
  );
  notePublishedTexts(frame, text);
  return undefined;
}

/** The answer to a bad frame has the `requestId` of the frame, if that is one. */
function checkId(text, requestId) {
  if (requestId === undefined) return;
  hold(JSON.parse(text).requestId === requestId, () => `requestId ${shown(requestId)}`);
}

function checkServer(text, isGood, { parseServerFrame, noteReceivedTexts }) {
  const { value: frame, error } = attempt(['MESSAGE_INVALID'], () => parseServerFrame(text));
  hold(!isGood || frame !== undefined, () => `a good frame is refused: ${error?.message}`);
  if (frame !== undefined) noteReceivedTexts(frame, text);
}

function depthOf(value) {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Object.values(value).reduce((most, one) => Math.max(most, depthOf(one)), 0);
}
