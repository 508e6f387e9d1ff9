/**
 * What a manifest and an index have to say, so that a reader may go by them. Their checksums have no key: whoever can write
 * into an archive can make ones that match. So no length is believed before it is known to be small, every part has its own
 * place, and counts have to agree with what is there.
 */
import {
  ARCHIVE_CHUNK_RAW_BYTES_MAX,
  ARCHIVE_DATA_BYTES_MAX,
  ARCHIVE_INDEX_BYTES_MAX,
} from '../../protocol/limits/archive.js';
import { EVENT_HEADER_LENGTH, EventRecordView } from '../../record/event-record.js';
import { PAGE_PREFIX_BYTES } from '../../store/page.js';
import { type Chunk, MAGIC, type SegmentIndex, type SegmentManifest } from './segment-format.js';
import { shardPrefix } from './segment-names.js';

const ID_BYTES = 4;
const RECORD_BYTES_MIN = PAGE_PREFIX_BYTES + EVENT_HEADER_LENGTH;

/** @param name the segment's @throws Error with the reason */
export function checkManifest(manifest: SegmentManifest, name: string): void {
  const { first, last, events, bytes, rawBytes, topics, firstAt, lastAt, index, ids } = manifest;
  if (!name.startsWith(shardPrefix(manifest.shard))) fail(`it is of shard ${manifest.shard}`);
  const isOfParts = isObject(index) && isObject(ids);
  if (!isOfParts || typeof manifest.directory !== 'string') fail('it has no parts');
  for (const [name, value] of Object.entries({ first, last, events, bytes, rawBytes, topics })) {
    assertCount(name, value);
  }
  for (const [name, { offset, length }] of Object.entries({ index, ids })) {
    assertCount(`the offset of its ${name}`, offset);
    assertCount(`the length of its ${name}`, length);
  }
  assertTimes(firstAt, lastAt);
  assertAtMost('its data', bytes, ARCHIVE_DATA_BYTES_MAX);
  assertAtMost('its records', rawBytes, ARCHIVE_DATA_BYTES_MAX);
  assertAtMost('its index', index.length, ARCHIVE_INDEX_BYTES_MAX);
  assertCount('the length of its index', index.rawLength);
  assertAtMost('its index', index.rawLength, ARCHIVE_INDEX_BYTES_MAX);
  if (events < 1 || events > last - first + 1)
    fail(`it has ${events} events of ${first} to ${last}`);
  if (topics < 1 || topics > events) fail(`it has ${topics} topics of ${events} events`);
  if (events * RECORD_BYTES_MIN > rawBytes)
    fail(`${events} events are longer than ${rawBytes} bytes`);
  const isInPlace = ids.offset === index.offset + index.length && bytes === ids.offset + ids.length;
  if (!isInPlace || ids.length !== events * ID_BYTES) fail('its parts are not where they belong');
}

/** @throws Error with the reason */
export function checkIndex(index: SegmentIndex, manifest: SegmentManifest): void {
  if (!isObject(index) || !Array.isArray(index.chunks) || !isObject(index.topics)) {
    fail('its index is none');
  }
  const { chunks } = index;
  let offset = MAGIC.length;
  let { first } = manifest;
  let events = 0;
  let rawBytes = 0;
  for (const [number, chunk] of chunks.entries()) {
    checkChunk(number, chunk, offset, first);
    offset += chunk.length;
    first = chunk.last + 1;
    events += chunk.events;
    rawBytes += chunk.rawLength;
  }
  if (first !== manifest.last + 1) fail(`its chunks end at ${first - 1}, not ${manifest.last}`);
  if (events !== manifest.events) fail(`its chunks have ${events} events, not ${manifest.events}`);
  if (rawBytes !== manifest.rawBytes || offset !== manifest.index.offset) {
    fail('its chunks are not where they belong');
  }
  checkTopics(index.topics, manifest, chunks.length);
}

function checkChunk(number: number, chunk: Chunk, offset: number, first: number): void {
  if (!isObject(chunk)) fail(`chunk ${number} is none`);
  const { last, events, length, rawLength, lostThrough = 0, firstAt, lastAt } = chunk;
  for (const [name, value] of Object.entries({ last, events, length, rawLength, lostThrough })) {
    assertCount(`${name} of chunk ${number}`, value);
  }
  assertTimes(firstAt, lastAt);
  assertAtMost(`chunk ${number}`, rawLength, ARCHIVE_CHUNK_RAW_BYTES_MAX);
  assertAtMost(`chunk ${number}`, length, ARCHIVE_CHUNK_RAW_BYTES_MAX);
  if (chunk.offset !== offset || chunk.first !== first) {
    fail(`chunk ${number} does not follow the one before`);
  }
  const isCounted = events >= 1 && events <= last - first + 1;
  if (!isCounted || events * RECORD_BYTES_MIN > rawLength) {
    fail(`chunk ${number} has ${events} events in ${first} to ${last} and ${rawLength} bytes`);
  }
}

function checkTopics(
  topics: SegmentIndex['topics'],
  manifest: SegmentManifest,
  chunks: number,
): void {
  const lists = Object.values(topics);
  if (lists.length !== manifest.topics) {
    fail(`its index has ${lists.length} topics, not ${manifest.topics}`);
  }
  for (const list of lists) {
    if (!Array.isArray(list) || list.length === 0) fail('its index has a topic without a chunk');
    let before = -1;
    for (const number of list) {
      const isNext = Number.isSafeInteger(number) && number > before && number < chunks;
      if (!isNext) fail('its index names a chunk that there is not');
      before = number;
    }
  }
}

/**
 * Checks the records of a chunk: each lies within it, its fields within the record, its sequence within the chunk's and
 * behind the one before, and its payload is JSON, which is sent on as it is.
 *
 * @throws Error with the reason
 */
export function checkRecords(records: Buffer, { first, last, events }: Chunk): void {
  const view = new EventRecordView();
  let before = first - 1;
  let count = 0;
  for (let at = 0; at < records.length; count++) {
    const offset = at + PAGE_PREFIX_BYTES;
    if (!view.wrap(records, offset).isWhole(records.length)) fail(`its record ${count} is none`);
    const sequence = records.readDoubleLE(at);
    if (!Number.isSafeInteger(sequence) || sequence <= before || sequence > last) {
      fail(`event ${sequence} lies where one after ${before} belongs`);
    }
    if (!Number.isFinite(records.readDoubleLE(at + 8))) fail(`event ${sequence} has no time`);
    JSON.parse(view.payloadText);
    before = sequence;
    at = offset + view.length;
  }
  if (count !== events) fail(`a chunk has ${count} events, not ${events}`);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function assertCount(what: string, value: unknown): void {
  if (!Number.isSafeInteger(value) || (value as number) < 0) fail(`${what} is ${String(value)}`);
}

function assertTimes(firstAt: unknown, lastAt: unknown): void {
  const isTime = Number.isFinite(firstAt) && Number.isFinite(lastAt);
  if (!isTime || (firstAt as number) > (lastAt as number)) fail('its times are none');
}

function assertAtMost(what: string, bytes: number, most: number): void {
  if (bytes > most) fail(`${what} would have ${bytes} bytes; ${most} is the limit`);
}

function fail(reason: string): never {
  throw new Error(reason);
}
