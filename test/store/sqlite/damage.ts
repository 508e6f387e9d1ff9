import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { BusError } from '../../../src/protocol/errors.js';
import type { StoredLane } from '../../../src/store/consumer-states.js';
import type { Page, PageRequest } from '../../../src/store/page.js';
import { openForReading, PAGE_BYTES } from '../../../src/store/sqlite/connection/schema.js';
import { openDatabase } from '../../../src/store/sqlite/driver/driver.js';
import { PageReader } from '../../../src/store/sqlite/reading/page-reader.js';
import { SqliteShardLog } from '../../../src/store/sqlite/sqlite-shard-log.js';
import type { TestEvent } from '../records.js';
import { allTopics, append, duplicateOf } from './sqlite-log-promises.js';

/**
 * Makes a log with a random history, damages its file, and lets everything read it that may. Each reader must return
 * what the log held before, or report that it cannot.
 */
export type Random = (below: number) => number;

/** A linear congruential generator; its low bits are poor, so the high ones are used. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

export interface History {
  readonly file: string;
  readonly truth: Answers;
}

/** The readers' answers, by the reader's name. */
export type Answers = ReadonlyMap<string, unknown>;

const TOPICS = ['a.0', 'a.1', 'b.0', 'b.1', 'c.0', 'rare'];
const TYPES = ['order_made', 'order_paid', 'note'];
const WINDOW_MS = 2 ** 31;
const NOW = 1_000_000;
const OPTIONS = { dedupeWindowMs: WINDOW_MS, now: () => NOW };
const SUPPLIED_ID = 1 | 4;

function eventAt(random: Random, n: number): TestEvent {
  const topic = random(400) === 0 ? 'rare' : TOPICS[random(TOPICS.length - 1)]!;
  return {
    topic,
    type: random(300) === 0 ? 'rare_type' : TYPES[random(TYPES.length)]!,
    source: random(300) === 0 ? 'rare' : `s${random(3)}`,
    id: `e${n}`,
    flags: random(4) === 0 ? SUPPLIED_ID : 1,
    payload: { n, text: 'x'.repeat(random(60)) },
    ...(random(5) === 0 && { correlationId: random(3) === 0 ? `run-${n >> 7}` : `c${random(4)}` }),
    ...(random(5) === 0 && { attributes: { agentId: `a${random(3)}` } }),
  };
}

/** Appends, prunes and opens again at random. */
export function makeHistory(file: string, events: number, random: Random, prunes = true): History {
  let log = new SqliteShardLog({ file, shard: 0, ...OPTIONS });
  let recordedAt = 1000;
  for (let n = 1; n <= events; ) {
    const until = Math.min(events, n + random(Math.ceil(events / 10)));
    for (let batch = 0; n <= until; n++) {
      recordedAt += random(3);
      append(log, eventAt(random, n), recordedAt);
      if (++batch % 256 === 0) log.commit(false, []);
    }
    consume(log, n, random);
    log.commit(true, []);
    while (log.maintain());
    if (prunes && random(3) === 0) prune(log, random, events);
    if (random(6) === 0) {
      log.close();
      log = new SqliteShardLog({ file, shard: 0, ...OPTIONS });
    }
  }
  log.close();
  const answers = ask(file);
  for (const [reader, answer] of answers) {
    if (answer instanceof BusError) throw new Error(`${reader}: ${answer.message}`);
  }
  return { file, truth: answers };
}

/** Stores what consumers do: how far they are, and events that died. */
function consume(log: SqliteShardLog, position: number, random: Random): void {
  const consumer = `consumer-${random(2)}`;
  const counts = { acked: position, redelivered: random(9), lost: 0 };
  const open = Uint8Array.from({ length: random(3) === 0 ? 9000 : random(40) }, () => random(256));
  const times = { round: 1, leaseNext: position + random(100), at: 1000 };
  log.consumers.put({ consumer, lane: random(2), position, open, ...counts, ...times });
  for (let dead = random(3); dead > 0; dead--) {
    const event = { consumer, sequence: 1 + random(position), diedAt: 1000 + position };
    log.consumers.putDead({
      ...event,
      attempts: 5,
      times: 1,
      state: 0,
      cause: 'nak',
      reason: 'it failed',
    });
  }
}

function prune(log: SqliteShardLog, random: Random, events: number): void {
  const pattern = ['*', 'a.*', 'b.0', 'c.*', 'rare'][random(5)]!;
  const excessEvents = random(Math.ceil(events / 20)) + 1;
  let step = log.pruning.prune({ pattern, excessEvents, excessBytes: 0, after: 0 });
  while (step.next !== undefined) {
    step = log.pruning.prune({ pattern, excessEvents: 0, excessBytes: 0, after: step.next });
  }
}

/** Requests to a log: pages in both directions, by topic, filter and time. */
const REQUESTS: Readonly<Record<string, Partial<PageRequest>>> = {
  all: {},
  'all, backwards': { reverse: true },
  ...Object.fromEntries(
    TOPICS.flatMap((topic) => [
      [`topic ${topic}`, { filter: { topics: [topic] } }],
      [`topic ${topic}, backwards`, { filter: { topics: [topic] }, reverse: true }],
    ]),
  ),
  'topics a.*': { filter: { topics: ['a.*'] } },
  'topics a.*, b.1, backwards': { filter: { topics: ['a.*', 'b.1'] }, reverse: true },
  type: { filter: { topics: ['*'], types: ['note'] } },
  source: { filter: { topics: ['a.0', 'rare'], sources: ['s1'] } },
  correlation: { filter: { topics: ['*'], correlationIds: ['c1'] } },
  'rare type': { filter: { topics: ['*'], types: ['rare_type'] } },
  'rare source, backwards': { filter: { topics: ['*'], sources: ['rare'] }, reverse: true },
  run: { filter: { topics: ['*'], correlationIds: ['run-2'] } },
  'runs of a topic': { filter: { topics: ['a.*'], correlationIds: ['run-1', 'run-90', 'c3'] } },
  'no run': { filter: { topics: ['*'], correlationIds: ['none'] } },
  attribute: { filter: { topics: ['*'], attributes: { agentId: ['a1'] } } },
};

/** Opens the log for writing, and another reader beside it, and sends both every request. */
export function ask(file: string): Answers {
  const answers = new Map<string, unknown>();
  const answer = (reader: string, work: () => unknown): void => {
    try {
      answers.set(reader, work());
    } catch (error) {
      answers.set(reader, error);
    }
  };
  let log: SqliteShardLog | undefined;
  answer('open', () => {
    log = new SqliteShardLog({ file, shard: 0, ...OPTIONS });
    return log.wentBackwardsFrom;
  });
  if (log === undefined) return answers;
  const opened = log;
  const last = opened.lastRecordedAt;
  answer('head', () => [opened.head, last]);
  answer('read', () => readOwn(opened));
  answer('topics', () => allTopics(opened));
  answer('consumers', () => [...opened.consumers.load()].sort(byLane));
  for (const consumer of ['consumer-0', 'consumer-1']) {
    answer(`dead for ${consumer}`, () => opened.consumers.dead(consumer, 0, 1000));
  }
  answer('letters', () => opened.consumers.lettersDue(1000));
  for (const [name, request] of Object.entries(REQUESTS)) {
    answer(name, () => readWhole((asked) => opened.page(asked), request));
  }
  answer('by readers', () => askReaders(file, last));
  answer('repeats', () => {
    const repeats: number[] = [];
    for (let n = 1; n < 3000; n += 41) {
      for (const topic of TOPICS) repeats.push(duplicateOf(opened, { topic, id: `e${n}` }));
    }
    return repeats;
  });
  answer('close', () => opened.close());
  return answers;
}

function byLane(one: StoredLane, other: StoredLane): number {
  return one.consumer.localeCompare(other.consumer) || one.lane - other.lane;
}

function askReaders(file: string, last: number): unknown {
  const database = openForReading(file, 0);
  try {
    const reader = new PageReader(database, file, 0);
    const times = [0, 1000, 1100, 1000 + (last - 1000) / 2, last, last + 1];
    const positions = times.map((time) => reader.positionAt(time));
    const between = { sinceMs: 1100, untilMs: last };
    return [positions, readWhole((asked) => reader.page(asked), between)];
  } finally {
    database.close();
  }
}

/** The number of events, and a checksum of their sequences, times and records. */
function readWhole(page: (request: PageRequest) => Page, request: Partial<PageRequest>): unknown {
  let rest: PageRequest = { after: 0, limit: 300, ...request };
  let count = 0;
  let checksum = 0;
  for (;;) {
    const found = page(rest);
    count += found.count;
    if (found.count > 0) checksum = crc32(new Uint8Array(found.records), checksum);
    if (found.done) return [count, checksum];
    rest = request.reverse ? { ...rest, until: found.next } : { ...rest, after: found.next };
  }
}

/** As `readWhole`, by the log's own `read`. */
function readOwn(log: SqliteShardLog): unknown {
  let checksum = 0;
  const count = log.read({ after: 0, limit: Number.MAX_SAFE_INTEGER }, (event) => {
    const { sequence, recordedAt, bytes, offset, length } = event;
    checksum = crc32(`${sequence} ${recordedAt}`, checksum);
    checksum = crc32(bytes.subarray(offset, offset + length), checksum);
    return undefined;
  });
  return [count, checksum];
}

/** Copies the log, its write-ahead log and its mark. */
export function copyLog(from: string, to: string): void {
  for (const suffix of ['', '-wal']) {
    if (existsSync(from + suffix)) copyFileSync(from + suffix, to + suffix);
  }
  const mark = from.replace(/db$/, 'mark');
  if (existsSync(mark)) copyFileSync(mark, to.replace(/db$/, 'mark'));
}

/** Damages the file in one place. @returns a description of the damage */
export function damageFile(file: string, random: Random): string {
  const bytes = readFileSync(file);
  const pages = Math.floor(bytes.length / PAGE_BYTES);
  const at = random(bytes.length);
  const page = random(pages) * PAGE_BYTES;
  const kind = random(8);
  let what: string;
  if (kind < 3) {
    const bit = random(8);
    bytes[at]! ^= 1 << bit;
    what = `bit ${bit} of byte ${at}`;
  } else if (kind === 3) {
    const header = page + random(64);
    bytes[header]! ^= 1 << random(8);
    what = `a bit of byte ${header}, in the head of page ${page / PAGE_BYTES + 1}`;
  } else if (kind === 4) {
    const length = 1 + random(64);
    for (let i = at; i < Math.min(at + length, bytes.length); i++) bytes[i] = random(256);
    what = `${length} bytes from ${at} on`;
  } else if (kind === 5) {
    bytes.fill(0, page, page + PAGE_BYTES);
    what = `zeroes in page ${page / PAGE_BYTES + 1}`;
  } else {
    const from = random(pages) * PAGE_BYTES;
    bytes.copy(bytes, page, from, from + PAGE_BYTES);
    what = `page ${from / PAGE_BYTES + 1} over page ${page / PAGE_BYTES + 1}`;
  }
  writeFileSync(file, bytes);
  return what;
}

/** Changes rows by way of SQLite, so that its own structures stay whole. @returns the statement */
export function damageRow(file: string, random: Random): string {
  const database = openDatabase(file);
  const pick = (sql: string): number => Number(database.prepare(sql).pluck().get() ?? 0);
  try {
    const sequences = database
      .prepare<[], number>('SELECT sequence FROM events ORDER BY sequence')
      .pluck()
      .all();
    const sequence = sequences[random(sequences.length)]!;
    const other = sequences[random(sequences.length)]!;
    const head = pick('SELECT max(sequence) FROM events');
    const statements = [
      `DELETE FROM events WHERE sequence = ${sequence}`,
      `DELETE FROM events WHERE sequence BETWEEN ${sequence} AND ${sequence + random(300)}`,
      `UPDATE events SET sequence = ${head + 1} WHERE sequence = ${sequence}`,
      `UPDATE events SET topic = topic % 5 + 1 WHERE sequence = ${sequence}`,
      `UPDATE events SET type = type % 5 + 1 WHERE sequence = ${sequence}`,
      `UPDATE events SET source = source % 5 + 1 WHERE sequence = ${sequence}`,
      `UPDATE events SET recorded_at = recorded_at ${random(2) === 0 ? '+' : '-'} 1 WHERE sequence = ${sequence}`,
      `UPDATE events SET flags = CASE WHEN flags IS NULL THEN 1 END WHERE sequence = ${sequence}`,
      `UPDATE events SET id = 'other' WHERE sequence = ${sequence}`,
      `UPDATE events SET correlation_id = 'c9' WHERE sequence = ${sequence}`,
      `UPDATE events SET attributes = '{"agentId":"a9"}' WHERE sequence = ${sequence}`,
      `UPDATE events SET sequence = -1 WHERE sequence = ${sequence};
       UPDATE events SET sequence = ${sequence} WHERE sequence = ${other};
       UPDATE events SET sequence = ${other} WHERE sequence = -1`,
      `DELETE FROM topic_index WHERE topic = ${random(7)} AND block = ${random(3)}`,
      `UPDATE topic_index SET topic = topic + 40 WHERE topic = ${1 + random(5)}`,
      `UPDATE topic_index SET sequences = substr(sequences, 1, length(sequences) - 1) WHERE topic = ${1 + random(5)}`,
      `UPDATE events SET correlation_id = 'none' WHERE sequence = ${sequence}`,
      `DELETE FROM field_index WHERE id = ${random(48)}`,
      'DELETE FROM field_index',
      `UPDATE field_index SET id = id + 48 WHERE id = ${random(48)}`,
      `UPDATE field_index SET postings = substr(postings, 1, length(postings) - 2) WHERE id % 16 = ${random(16)}`,
      "UPDATE field_index SET postings = x'0000'",
      `DELETE FROM topics WHERE id = ${1 + random(5)}`,
      `UPDATE topics SET name = 'a.7' WHERE id = ${1 + random(5)}`,
      `UPDATE topics SET pruned_through = pruned_through + 50 WHERE id = ${1 + random(5)}`,
      `UPDATE topics SET events = events + 1, last_sequence = last_sequence + 1 WHERE id = ${1 + random(5)}`,
      `UPDATE names SET name = name || 'x' WHERE id = ${1 + random(5)}`,
      `DELETE FROM names WHERE id = ${1 + random(5)}`,
      `UPDATE meta SET value = value + ${1 + random(100)} WHERE key = (SELECT key FROM meta ORDER BY key LIMIT 1 OFFSET ${random(14)})`,
      `DELETE FROM meta WHERE key = (SELECT key FROM meta ORDER BY key LIMIT 1 OFFSET ${random(14)})`,
      'DELETE FROM pruned_blocks',
      'UPDATE pruned_blocks SET bits = zeroblob(2048)',
      "UPDATE pruned_blocks SET bits = x''",
      'DELETE FROM pruned_ids WHERE sequence = (SELECT max(sequence) FROM pruned_ids)',
      "UPDATE pruned_ids SET id = 'other' WHERE sequence = (SELECT min(sequence) FROM pruned_ids)",
      `DELETE FROM consumers WHERE lane = ${random(2)}`,
      `UPDATE consumers SET position = position - 1 WHERE lane = ${random(2)}`,
      'UPDATE consumers SET open = substr(open, 2)',
      "UPDATE consumers SET consumer = 'consumer-7' WHERE consumer = 'consumer-0'",
      'DELETE FROM consumer_dead WHERE sequence = (SELECT max(sequence) FROM consumer_dead)',
      'UPDATE consumer_dead SET sequence = sequence + 1 WHERE sequence = (SELECT max(sequence) FROM consumer_dead)',
      `UPDATE consumer_dead SET state = 1 WHERE sequence % 7 = ${random(7)}`,
      "UPDATE consumer_dead SET record = x'00' WHERE record IS NULL",
      'UPDATE consumer_dead SET record = NULL WHERE record IS NOT NULL',
    ];
    const statement = statements[random(statements.length)]!;
    database.exec(statement);
    return statement;
  } finally {
    database.close();
  }
}
