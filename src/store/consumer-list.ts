import { assertConsumerName, parseDefinition } from '../protocol/consumer-definition.js';
import type { ConsumerDefinition } from '../protocol/consumers.js';
import { BusError } from '../protocol/errors.js';
import {
  isKeptObject,
  type KeptObject,
  type ReadableText,
  readKept,
} from '../protocol/kept-object.js';
import { CONSUMERS_FILE_BYTES_MAX, CONSUMERS_MAX } from '../protocol/limits/consumers.js';
import { messageOf } from '../protocol/thrown.js';

/**
 * The list of durable consumers, as a store keeps it in a text beside its logs (`consumers.json` in a directory). The
 * list says which consumers there are; the logs keep what each of them has done.
 */

const FORM = { format: 1, lengthMax: CONSUMERS_FILE_BYTES_MAX };
const ID = /^[0-9A-HJKMNP-TV-Z]{26}$/;

/** A list of none, as text. */
export const EMPTY_CONSUMER_LIST = `${JSON.stringify({ format: FORM.format, consumers: [] })}\n`;

export interface KeptConsumer {
  /** A ULID. A name that is deleted and made again has another one. */
  readonly id: string;
  readonly name: string;
  /** ms since 1970. */
  readonly createdAt: number;
  readonly definition: ConsumerDefinition;
  readonly isPaused: boolean;
  /** Since when, ms since 1970, and by which principal, where that is known. */
  readonly pausedAt?: number;
  readonly pausedBy?: string;
  /** Grows with each change of its positions. */
  readonly round: number;
  /** By shard, the position behind which the consumer began in this round. */
  readonly positions: readonly number[];
  /** The positions are those of a cursor, so events that are gone behind them make a gap. */
  readonly isFromCursor?: true;
}

/** @throws BusError `STORE_CORRUPT` naming the file and its fault, or the error of the system */
export function readConsumerList(text: ReadableText, shards: number): KeptConsumer[] {
  return readKept(text, FORM, (kept) => parse(kept, shards)) ?? [];
}

/** Where the list is kept: beside the logs, or in a broker, which takes its time. */
export interface ConsumerListText extends ReadableText {
  write(text: string): void | Promise<void>;
}

/**
 * Replaces the list, durably.
 * @throws BusError `LIMIT_EXCEEDED`, or (or rejects with) the error of `write`; the old list then stays
 */
export function writeConsumerList(
  text: ConsumerListText,
  consumers: readonly KeptConsumer[],
): void | Promise<void> {
  const kept = consumers.map((consumer) => ({
    id: consumer.id,
    name: consumer.name,
    createdAt: new Date(consumer.createdAt).toISOString(),
    paused: consumer.isPaused,
    ...pauseTexts(consumer),
    round: consumer.round,
    positions: consumer.positions,
    ...(consumer.isFromCursor === true ? { fromCursor: true } : {}),
    definition: consumer.definition,
  }));
  const json = `${JSON.stringify({ format: FORM.format, consumers: kept }, null, 1)}\n`;
  const bytes = Buffer.byteLength(json);
  if (bytes > CONSUMERS_FILE_BYTES_MAX) {
    const message = `the definitions of all consumers would take ${bytes} bytes; ${CONSUMERS_FILE_BYTES_MAX} is the limit`;
    throw new BusError('LIMIT_EXCEEDED', message, { details: { limit: CONSUMERS_FILE_BYTES_MAX } });
  }
  return text.write(json);
}

function parse({ consumers }: KeptObject, shards: number): KeptConsumer[] {
  if (!Array.isArray(consumers)) throw new Error('its consumers are not a list');
  if (consumers.length > CONSUMERS_MAX) {
    throw new Error(`it has ${consumers.length} consumers; ${CONSUMERS_MAX} is the limit`);
  }
  const kept = consumers.map((one, at) => {
    try {
      return parseConsumer(one, shards);
    } catch (error) {
      throw new Error(`consumer ${at + 1}: ${messageOf(error)}`);
    }
  });
  assertUnique(kept.map(({ name }) => name));
  assertUnique(kept.map(({ id }) => id));
  return kept;
}

function parseConsumer(value: unknown, shards: number): KeptConsumer {
  if (!isKeptObject(value)) throw new Error('it is not an object');
  const { id, name, createdAt, paused, round, positions, fromCursor, definition } = value;
  if (typeof id !== 'string' || !ID.test(id)) throw new Error('its id is not a ULID');
  assertConsumerName(name);
  const at = typeof createdAt === 'string' ? Date.parse(createdAt) : Number.NaN;
  if (Number.isNaN(at)) throw new Error('its createdAt is not a time');
  if (typeof paused !== 'boolean') throw new Error('its paused is not true or false');
  const pause = parsePause(value);
  if (!isWhole(round)) throw new Error('its round is not a whole number');
  if (!Array.isArray(positions) || positions.length !== shards || !positions.every(isWhole)) {
    throw new Error(`its positions are not ${shards} whole numbers, one for each shard`);
  }
  if (fromCursor !== undefined && fromCursor !== true) {
    throw new Error('its fromCursor is not true');
  }
  return {
    id,
    name,
    createdAt: at,
    definition: parseDefinition(definition),
    isPaused: paused,
    ...pause,
    round,
    positions,
    ...(fromCursor === true ? { isFromCursor: true } : {}),
  };
}

type Pause = Pick<KeptConsumer, 'pausedAt' | 'pausedBy'>;

function pauseTexts({ pausedAt, pausedBy }: Pause): object {
  const at = pausedAt === undefined ? {} : { pausedAt: new Date(pausedAt).toISOString() };
  return pausedBy === undefined ? at : { ...at, pausedBy };
}

function parsePause({ pausedAt, pausedBy }: KeptObject): Pause {
  const at = pausedAt === undefined ? 0 : Date.parse(String(pausedAt));
  if (Number.isNaN(at)) throw new Error('its pausedAt is not a time');
  if (pausedBy !== undefined && typeof pausedBy !== 'string') {
    throw new Error('its pausedBy is not text');
  }
  return {
    ...(pausedAt === undefined ? {} : { pausedAt: at }),
    ...(pausedBy === undefined ? {} : { pausedBy }),
  };
}

function assertUnique(texts: readonly string[]): void {
  const twice = texts.find((text, at) => texts.indexOf(text) < at);
  if (twice !== undefined) throw new Error(`it has ${twice} twice`);
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}
