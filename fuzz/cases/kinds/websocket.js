import { NO_CODE, outcomeOf, payloadOf } from '../doors/protocol-model.js';
import { frameBytes, RawSocket } from '../doors/raw-socket.js';
import { Server } from '../doors/server.js';
import { hold, shown } from '../hold.js';
import { mutateText } from '../texts.js';
import { mutateJson, someJson } from '../values.js';
import { requests } from './wire-examples.js';

/**
 * The WebSocket of a real gateway, over a socket of its own for each case. A case is `{ frames }`, which a model of RFC
 * 6455 judges (`doors/protocol-model.js`), with `parts`, the lengths in which their bytes are sent; or `{ messages }`,
 * the texts of frames of the protocol, each of which has to be answered; or `{ bytes }`, anything at all.
 */

const TEXTS = [
  '',
  '{"type":"ping"}',
  'x',
  'κόσμε',
  '{"type":"stats","requestId":1}',
  '\ufeff',
  '{',
];
const ODD_BYTES = [
  'c0af',
  'eda080',
  'f4908080',
  'ce',
  'f09f98',
  'ff',
  '80',
  'f0288cbc',
  'efbfbf',
  'f48fbfbf',
];
const OPCODES = [0, 1, 1, 1, 2, 8, 9, 9, 10];
const CODES = [
  0, 999, 1000, 1001, 1003, 1004, 1005, 1006, 1007, 1011, 1012, 1014, 1015, 1016, 2999, 3000, 4999,
  5000, 65535,
];
const LENGTHS = [0, 1, 124, 125, 126, 127, 128, 65_535, 65_536, 70_000];
/** Requests that may wait, or that have no answer. */
const UNANSWERED = [
  'consumed',
  'answer',
  'abandon',
  'pull',
  'request',
  'authenticate',
  'respond',
  'endRespond',
];
const ENDINGS = ['disconnect', ...UNANSWERED];
const HONEST_EVERY = 50;

export async function open(load) {
  const { ERROR_CODES } = await load('protocol/errors.js');
  const server = await Server.open(load);
  let cases = 0;
  const check = async (one) => {
    const raw = await RawSocket.open(server.port);
    hold(raw.head.includes(' 101 '), () => `no WebSocket was opened: ${raw.head}`);
    try {
      if (one.frames !== undefined) await checkFrames(raw, one);
      else if (one.messages !== undefined) await checkMessages(raw, one.messages, ERROR_CODES);
      else await checkBytes(raw, Buffer.from(one.bytes, 'hex'));
    } finally {
      raw.cut();
    }
    if (++cases % HONEST_EVERY === 0) await server.serveHonest();
  };
  const isCase = ({ frames, messages, bytes }) => (frames ?? messages ?? bytes)?.length > 0;
  return { make, check, isCase, close: () => server.close() };
}

function make(random, pool) {
  const kind = random.below(10);
  if (kind === 0) {
    const length = 1 + random.below(64);
    return { bytes: Buffer.from(Array.from({ length }, () => random.below(256))).toString('hex') };
  }
  if (kind < 4)
    return { messages: Array.from({ length: 1 + random.below(5) }, () => someMessage(random)) };
  const { frames: known = [] } = random.pick(pool);
  const made = Array.from({ length: 1 + random.below(4) }, () => someFrame(random));
  const frames = random.chance(0.3) ? [...known, ...made] : made;
  return { frames, parts: random.chance(0.3) ? [1 + random.below(4), 1 + random.below(9)] : [] };
}

function someFrame(random) {
  const opcode = random.chance(0.97) ? random.pick(OPCODES) : random.below(16);
  const frame = { opcode };
  if (opcode === 8 && random.chance(0.9)) {
    const code = random.pick(CODES).toString(16).padStart(4, '0');
    frame.hex =
      code + (random.chance(0.3) ? random.pick(ODD_BYTES) : Buffer.from('bye').toString('hex'));
  } else if (random.chance(0.6)) frame.text = random.pick(TEXTS);
  else if (random.chance(0.7)) frame.hex = random.pick(ODD_BYTES);
  else Object.assign(frame, { text: 'a', repeat: random.pick(LENGTHS) });
  if (random.chance(0.25)) frame.fin = false;
  if (random.chance(0.03)) frame.rsv = 1 + random.below(7);
  if (random.chance(0.02)) frame.isMasked = false;
  if (random.chance(0.05)) frame.form = random.pick([16, 64]);
  if (random.chance(0.02)) frame.told = random.pick([1_114_113, 2 ** 31, 2 ** 40, 2 ** 52]);
  return frame;
}

function someMessage(random) {
  const frame = random.pick(requests);
  if (random.chance(0.15)) return mutateText(random, JSON.stringify(frame), '{"type":"ping"}');
  const changed = random.chance(0.3) ? frame : mutateJson(random, frame, someJson(random, 2));
  return JSON.stringify(changed);
}

async function checkFrames(raw, { frames, parts = [] }) {
  const expected = outcomeOf(frames);
  const bytes = Buffer.concat(
    frames.map((frame) => frameBytes({ ...frame, payload: payloadOf(frame) })),
  );
  let at = 0;
  for (const length of parts) raw.send(bytes.subarray(at, (at += length)));
  raw.send(bytes.subarray(at));
  const isOpen = expected.code === undefined;
  // A server that should have closed, and has not, answers it.
  if (!expected.isCut) raw.send(frameBytes({ opcode: 9, payload: Buffer.from('end') }));
  const isOver = () =>
    expected.isCut ||
    raw.received.some(
      ({ opcode, payload }) =>
        opcode === 8 || (opcode === 10 && payload.equals(Buffer.from('end'))),
    );
  await raw.until(isOver);
  const close = raw.received.find(({ opcode }) => opcode === 8);
  const code = close === undefined ? undefined : codeOf(close.payload);
  const told = `${shown(frames)}: closed with ${code}, and not ${expected.code}`;
  hold(expected.isCut || code === expected.code, told);
  checkReceived(raw, expected, isOpen && !expected.isCut);
}

function checkReceived({ received }, { pongs, messages }, isWhole) {
  for (const { fin, opcode } of received)
    hold(fin && [1, 8, 10].includes(opcode), () => `frame ${opcode}`);
  const texts = received
    .filter(({ opcode }) => opcode === 1)
    .map(({ payload }) => payload.toString());
  const [welcome, ...answers] = texts;
  hold(JSON.parse(welcome).type === 'welcome', () => `first came ${welcome}`);
  hold(
    answers.length <= messages.length,
    () => `${answers.length} answers to ${messages.length} messages`,
  );
  const seen = received
    .filter(({ opcode }) => opcode === 10)
    .map(({ payload }) => payload.toString('hex'));
  const asked = [...pongs.map((one) => one.toString('hex')), Buffer.from('end').toString('hex')];
  let at = 0;
  for (const one of seen) {
    at = asked.indexOf(one, at) + 1;
    hold(at > 0, () => `a pong that nobody asked for: ${one}`);
  }
  if (isWhole) hold(seen.length > 0, 'no pong');
}

function codeOf(payload) {
  return payload.length < 2 ? NO_CODE : payload.readUInt16BE();
}

/** Each message that can have an answer gets one, with a documented code, and the connection stays open. */
async function checkMessages(raw, messages, codes) {
  for (const text of messages) raw.sendText(text);
  const types = messages.map(typeOf);
  if (types.some((type) => ENDINGS.includes(type))) {
    raw.send(frameBytes({ opcode: 9, payload: Buffer.from('end') }));
    await raw.until(() => raw.received.some(({ opcode }) => opcode === 10));
  } else {
    await raw.until(() => answersIn(raw).length >= messages.length);
  }
  const close = raw.received.find(({ opcode }) => opcode === 8);
  hold(!raw.isEnded && close === undefined, () => `closed with ${close && codeOf(close.payload)}`);
  for (const { type, payload } of answersIn(raw)) {
    if (type === 'error') hold(codes.includes(payload.code), () => `code ${payload.code}`);
    const isInternal = type === 'error' && payload.code === 'INTERNAL';
    hold(!isInternal, () => `${payload.message} for ${shown(messages)}`);
  }
}

function typeOf(text) {
  try {
    return JSON.parse(text)?.type;
  } catch {
    return undefined;
  }
}

/** What a client gets unasked: frames of its subscriptions and members. */
const UNASKED = [
  'welcome',
  'events',
  'caughtUp',
  'gap',
  'dropped',
  'ended',
  'deliveries',
  'leaseLost',
  'memberEnded',
  'question',
  'questionOver',
];

function answersIn({ received }) {
  return received
    .filter(({ opcode }) => opcode === 1)
    .map(({ payload }) => JSON.parse(payload.toString()))
    .filter(({ type, payload }) => !UNASKED.includes(type) && payload.more !== true);
}

/** Whatever comes, the server closes by its codes, or waits. */
async function checkBytes(raw, bytes) {
  raw.send(bytes);
  const complete = frameBytes({ opcode: 9, rsv: 7, payload: Buffer.alloc(0) });
  // So many wrong frames that one of them begins where the server looks for one.
  raw.send(Buffer.concat(Array.from({ length: 3 }, () => complete)));
  await new Promise(setImmediate);
  const close = raw.received.find(({ opcode }) => opcode === 8);
  if (close === undefined) return;
  const code = codeOf(close.payload);
  hold([1002, 1003, 1007, 1009].includes(code) || code >= 1000, () => `closed with ${code}`);
}
