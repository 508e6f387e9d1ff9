import { isUtf8 } from 'node:buffer';

/**
 * What a server has to make of a client's frames, by RFC 6455 and docs/PROTOCOL.md: the close code, which pings are
 * answered, and how many messages got an answer before.
 *
 * @typedef {{ opcode: number, text?: string, hex?: string, repeat?: number, fin?: boolean, rsv?: number, isMasked?: boolean, form?: number, told?: number }} Frame
 * @typedef {{ code: number | undefined, pongs: Buffer[], messages: Buffer[], isCut: boolean }} Outcome
 *   `code`: that of the server's close frame; `undefined`: the connection stays open; `isCut`: the frames end within a
 *   frame, so that the server waits for more
 */

const FRAME_BYTES_MAX = (1 << 20) + (64 << 10);
const OPCODES = [0, 1, 2, 8, 9, 10];
export const NO_CODE = 1005;

/** @param {Frame} frame */
export function payloadOf({ text = '', hex, repeat = 1 }) {
  const bytes = hex === undefined ? Buffer.from(text) : Buffer.from(hex, 'hex');
  return repeat === 1 ? bytes : Buffer.alloc(bytes.length * repeat, bytes);
}

/** @param {Frame[]} frames @returns {Outcome} */
export function outcomeOf(frames) {
  /** @type {Outcome} */
  const outcome = { code: undefined, pongs: [], messages: [], isCut: false };
  /** @type {{ opcode: number, parts: Buffer[] } | undefined} */
  let open;
  for (const frame of frames) {
    const payload = payloadOf(frame);
    const fault = faultOf(frame, payload.length, open);
    if (fault !== undefined) return { ...outcome, code: fault };
    if ((frame.told ?? payload.length) > payload.length) return { ...outcome, isCut: true };
    if (frame.opcode === 9) outcome.pongs.push(payload);
    if (frame.opcode === 8) return { ...outcome, code: closeCodeOf(payload) };
    if (frame.opcode > 2) continue;
    open ??= { opcode: frame.opcode, parts: [] };
    open.parts.push(payload);
    if (frame.fin === false) continue;
    const message = Buffer.concat(open.parts);
    if (open.opcode === 1 && !isUtf8(message)) return { ...outcome, code: 1007 };
    outcome.messages.push(message);
    if (open.opcode === 2) return { ...outcome, code: 1003 };
    open = undefined;
  }
  return outcome;
}

/**
 * The code of the fault of a frame, by its header alone.
 *
 * @param {Frame} frame
 */
function faultOf({ opcode, rsv = 0, fin = true, isMasked = true, told, form = 7 }, length, open) {
  if (rsv !== 0 || !isMasked || !OPCODES.includes(opcode)) return 1002;
  const size = told ?? length;
  if (opcode >= 8) return fin && size <= 125 && form === 7 ? undefined : 1002;
  if ((opcode === 0) === (open === undefined)) return 1002;
  const before = open?.parts.reduce((sum, part) => sum + part.length, 0) ?? 0;
  return before + size > FRAME_BYTES_MAX ? 1009 : undefined;
}

function closeCodeOf(payload) {
  if (payload.length === 0) return NO_CODE;
  if (payload.length === 1) return 1002;
  const code = payload.readUInt16BE();
  const isKnown =
    (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) ||
    (code >= 3000 && code < 5000);
  if (!isKnown) return 1002;
  return isUtf8(payload.subarray(2)) ? code : 1007;
}
