import type { IncomingMessage } from 'node:http';
import type { Principal } from '../../auth/principal.js';
import { BusError } from '../../protocol/errors.js';
import { isDeeperThan } from '../../protocol/json-depth.js';
import { jsonFaultText } from '../../protocol/json-fault.js';
import { JsonScanner } from '../../protocol/json-scanner.js';
import { JSON_DEPTH_MAX } from '../../protocol/limits/events.js';
import {
  HTTP_BODIES_BYTES_MAX,
  HTTP_BODY_BYTES_MAX,
  HTTP_BODY_IDLE_MS,
  HTTP_BODY_MS_MAX,
  HTTP_ENVELOPE_DEPTH,
  HTTP_LINE_BYTES_MAX,
} from '../../protocol/limits/http.js';
import { notePayloadTexts } from '../../protocol/payload-text.js';
import { assertStillHolds } from '../permissions.js';
import { Refusal } from '../refusal.js';
import { parsedBodyOf } from './parsed-body.js';

/** Reads request bodies within bounds of memory and time. */

const DEPTH_MAX = JSON_DEPTH_MAX + HTTP_ENVELOPE_DEPTH;
const NEWLINE = 0x0a;
const UTF_8 = new TextDecoder('utf-8', { fatal: true });

/** Counts the bytes of request bodies that are held. */
export interface BodyRoom {
  /** @throws BusError `LIMIT_EXCEEDED` */
  take(bytes: number): void;
  giveBack(bytes: number): void;
}

/** Room for one request's body, which counts both for its principal and for the gateway. */
export function roomIn(principals: BodyRoom, all: BodyRoom): BodyRoom {
  return {
    take(bytes) {
      principals.take(bytes);
      try {
        all.take(bytes);
      } catch (error) {
        principals.giveBack(bytes);
        throw error;
      }
    },
    giveBack(bytes) {
      principals.giveBack(bytes);
      all.giveBack(bytes);
    },
  };
}

/** Bounds the bytes of bodies that all requests of a gateway hold together. One thread. */
export class BodyBudget implements BodyRoom {
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax = HTTP_BODIES_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  /** @throws Refusal 503 */
  take(bytes: number): void {
    if (this.#bytes + bytes > this.#bytesMax) {
      const message = `all requests together hold the ${this.#bytesMax} bytes that they may`;
      throw new Refusal(503, 'LIMIT_EXCEEDED', message, { limit: this.#bytesMax });
    }
    this.#bytes += bytes;
  }

  giveBack(bytes: number): void {
    this.#bytes -= bytes;
  }
}

/**
 * Yields a request's body piece by piece. Reading stops where the caller stops; the socket stays open for the answer.
 *
 * @throws Refusal 408 where no piece has arrived for `idleMs`, or the body is incomplete after `totalMs`
 */
export async function* bodyChunks(
  request: IncomingMessage,
  { idleMs = HTTP_BODY_IDLE_MS, totalMs = Number.POSITIVE_INFINITY } = {},
): AsyncGenerator<Buffer> {
  const parsed = parsedBodyOf(request);
  if (parsed !== undefined) {
    yield parsed;
    return;
  }
  const deadline = performance.now() + totalMs;
  const chunks = request.iterator({ destroyOnReturn: false });
  try {
    for (;;) {
      const leftMs = Math.max(0, deadline - performance.now());
      const next = await within(Math.min(idleMs, leftMs), chunks.next());
      if (next.done) return;
      yield next.value as Buffer;
    }
  } finally {
    // The promise of `return()` is not awaited: it resolves with the body's last piece, which may never come.
    chunks.return?.().catch(() => {});
  }
}

/** The parts of an exchange that reading its body needs. */
export interface BodyExchange {
  readonly request: IncomingMessage;
  readonly bodies: BodyRoom;
  readonly principal: Principal;
}

/**
 * Reads the whole body and hands it to `use`; its bytes count against the budget until `use` is done. A client may send
 * a body for minutes, so its token is judged once more when the body is there.
 *
 * @throws Refusal 413, 408, 503; BusError `UNAUTHENTICATED`
 */
export async function withBody<T>(
  { request, bodies: budget, principal }: BodyExchange,
  use: (body: Buffer) => Promise<T>,
): Promise<T> {
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > HTTP_BODY_BYTES_MAX) throw bodyTooLarge(announced);
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of bodyChunks(request, { totalMs: HTTP_BODY_MS_MAX })) {
      if (bytes + chunk.length > HTTP_BODY_BYTES_MAX) throw bodyTooLarge();
      budget.take(chunk.length);
      bytes += chunk.length;
      chunks.push(chunk);
    }
    assertStillHolds(principal);
    return await use(Buffer.concat(chunks, bytes));
  } finally {
    budget.giveBack(bytes);
  }
}

export interface Line {
  /** Counted from 1. */
  readonly number: number;
  readonly bytes: Buffer;
}

/**
 * Yields the lines of a body, as many at once as have arrived; empty lines are counted and left out. The bytes of an
 * incomplete line count against the budget.
 *
 * @throws Refusal 413 with `details.line`, 408, 503
 */
export async function* bodyLines(
  request: IncomingMessage,
  budget: BodyRoom,
): AsyncGenerator<Line[]> {
  let number = 0;
  let rest: Buffer[] = [];
  let restBytes = 0;
  try {
    for await (const chunk of bodyChunks(request)) {
      const lines: Line[] = [];
      let start = 0;
      for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
        const part = chunk.subarray(start, end);
        checkLine(++number, restBytes + part.length);
        const bytes = rest.length === 0 ? part : Buffer.concat([...rest, part]);
        if (!isBlank(bytes)) lines.push({ number, bytes });
        budget.giveBack(restBytes);
        rest = [];
        restBytes = 0;
        start = end + 1;
      }
      if (lines.length > 0) yield lines;
      if (start === chunk.length) continue;
      checkLine(number + 1, restBytes + chunk.length - start);
      budget.take(chunk.length - start);
      rest.push(chunk.subarray(start));
      restBytes += chunk.length - start;
    }
    const bytes = Buffer.concat(rest);
    if (!isBlank(bytes)) yield [{ number: number + 1, bytes }];
  } finally {
    budget.giveBack(restBytes);
  }
}

/** A JSON text and its parsed value. */
export interface ParsedJson {
  readonly value: unknown;
  readonly text: string;
}

/**
 * Parses one event or an array of events. Each keeps the JSON text of its payload, which is its member `payloadMember`.
 *
 * @throws BusError `MESSAGE_INVALID`, as `parseJson`
 */
export function parseEvents(bytes: Uint8Array, what: string, payloadMember = 'payload'): unknown {
  const { value, text } = parseJson(bytes, what);
  notePayloadTexts(new JsonScanner(text), value, payloadMember);
  return value;
}

/** @throws BusError `MESSAGE_INVALID` where `bytes` are not UTF-8, not JSON or nested too deep; `what` names them */
export function parseJson(bytes: Uint8Array, what: string): ParsedJson {
  let text: string;
  try {
    text = UTF_8.decode(bytes);
  } catch {
    throw malformed(`${what} is not UTF-8`);
  }
  if (isDeeperThan(text, DEPTH_MAX)) {
    throw malformed(`${what} is nested deeper than ${DEPTH_MAX} levels`);
  }
  try {
    return { value: JSON.parse(text), text };
  } catch (error) {
    if (text.trim() === '') throw malformed(`${what} is empty`, error);
    throw malformed(`${what} is not JSON: ${jsonFaultText(text)}`, error);
  }
}

function isBlank(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}

function checkLine(line: number, bytes: number): void {
  if (bytes <= HTTP_LINE_BYTES_MAX) return;
  const message = `line ${line} is longer than ${HTTP_LINE_BYTES_MAX} bytes`;
  throw new Refusal(413, 'PAYLOAD_TOO_LARGE', message, { line, limit: HTTP_LINE_BYTES_MAX });
}

function bodyTooLarge(bytes?: number): Refusal {
  const limit = HTTP_BODY_BYTES_MAX;
  const message =
    `the body is longer than ${limit} bytes; ` +
    'application/x-ndjson is read line by line and may have any length';
  const details = bytes === undefined ? { limit } : { bytes, limit };
  return new Refusal(413, 'PAYLOAD_TOO_LARGE', message, details);
}

function malformed(message: string, cause?: unknown): BusError {
  return new BusError('MESSAGE_INVALID', message, { cause, details: { path: '' } });
}

async function within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const message = `nothing of the body has arrived for ${Math.round(milliseconds)} ms`;
      reject(new Refusal(408, 'TIMEOUT', message));
    }, milliseconds);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
