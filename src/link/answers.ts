/** Encodes answers for a ring: JSON, followed by the bytes that JSON cannot carry. */
import type { CallName } from './calls.js';

/** Per call, the property of its answer that is an ArrayBuffer. */
const BYTES: Readonly<Partial<Record<CallName, string>>> = { page: 'records' };

const NO_BYTES = new Uint8Array(0);

export interface EncodedAnswer {
  readonly json: string;
  readonly bytes: Uint8Array;
}

export function encodeAnswer(name: CallName, answer: unknown): EncodedAnswer {
  const property = BYTES[name];
  if (property === undefined) return { json: JSON.stringify(answer), bytes: NO_BYTES };
  const { [property]: bytes, ...rest } = answer as Record<string, unknown>;
  return { json: JSON.stringify(rest), bytes: new Uint8Array(bytes as ArrayBuffer) };
}

/** `bytes` is memory of the ring, so the answer gets a copy. */
export function decodeAnswer(name: CallName, json: string, bytes: Uint8Array): unknown {
  const answer: unknown = JSON.parse(json);
  const property = BYTES[name];
  if (property === undefined) return answer;
  const copy = new ArrayBuffer(bytes.length);
  new Uint8Array(copy).set(bytes);
  return { ...(answer as object), [property]: copy };
}
