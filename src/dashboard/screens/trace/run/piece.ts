import type { Event } from 'millrace/client';
import { isRecord } from '../../../text/is-record.js';
import { PIECE_LENGTH_MAX } from '../bounds.js';

/**
 * Which events are pieces of a text, such as the tokens of a language model. Pure.
 *
 * - `delta` of the payload, a text, or an object whose `text` or `content` is one;
 * - `token` of the payload, a text;
 * - `text` or `content` of the payload, or the payload itself, if the event's type calls it a piece: one of its words
 *   is `token`, `delta`, `chunk`, `piece` or `part`. Without that word a text is a message, and messages are not joined.
 */

const WORDS: ReadonlySet<string> = new Set(['token', 'delta', 'chunk', 'piece', 'part']);

export function pieceOf({ type, payload }: Event): string | undefined {
  const piece = textIn(payload, isPieceType(type));
  return piece === undefined || piece.length > PIECE_LENGTH_MAX ? undefined : piece;
}

function textIn(payload: unknown, isCalledPiece: boolean): string | undefined {
  if (typeof payload === 'string') return isCalledPiece ? payload : undefined;
  if (!isRecord(payload)) return undefined;
  const { delta, token } = payload;
  if (typeof delta === 'string') return delta;
  if (isRecord(delta)) return firstText(delta);
  if (typeof token === 'string') return token;
  return isCalledPiece ? firstText(payload) : undefined;
}

function firstText({ text, content }: Readonly<Record<string, unknown>>): string | undefined {
  if (typeof text === 'string') return text;
  return typeof content === 'string' ? content : undefined;
}

/** `chat_token`, `message.delta`, `text-chunks`. */
function isPieceType(type: string): boolean {
  return type
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .some((word) => WORDS.has(word) || WORDS.has(word.replace(/s$/, '')));
}
