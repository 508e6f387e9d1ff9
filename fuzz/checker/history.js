import { closeSync, openSync, readdirSync, readSync, writeSync } from 'node:fs';
import { basename, join } from 'node:path';

/**
 * # Histories
 *
 * A history is what one client saw of a run: a file `NAME.jsonl` that only this client appends to. The client lives
 * outside the process under test, or is one of its threads; whichever dies, whole lines stay, because each is one write
 * to a file that is opened to append. A client that is killed and starts again goes on in its history, and its
 * operations and events go on counting.
 *
 * A line is a JSON array `[at, operation, entry, …]`:
 *
 * - `at` is the machine's monotonic time, ns. All processes of the machine share that clock.
 * - `operation` is a number that the client gives each of its calls. Entries of an operation name it; 0 is none.
 *
 * | entry | more | meaning |
 * | --- | --- | --- |
 * | `start` | `{ pid }` | the client began, or began again: whatever it had under way ended with an unknown outcome |
 * | `end` | | it ended by itself |
 * | `invoke` | `kind`, `{ … }` | a call begins; the kinds are below |
 * | `ok` | `{ … }` | it ended, and this came of it |
 * | `fail` | `code`, `{ … }?` | it was refused: nothing came of it |
 * | `unknown` | `code`, `{ … }?` | it ended, and nobody knows what came of it |
 * | `state` | `text` | `connected`: a client has another connection, over which it repeats what had no answer; `ended: …`: a member |
 * | `problem` | `text` | what should never be |
 *
 * `invoke publish`: `{ events, durability?, ephemeral?, atomic?, expect?, ttlMs?, delayMs? }`. Each of `events` is
 * `[id, topic, type, digest, parsed?]`: `digest` is that of the event as it was sent (`events.js`), `parsed` the one of the
 * event as JavaScript reads it, if that is another. Ids are `CLIENT-N`, with N counting from 0. `expect` is the
 * sequence that has to be the topic's last, or `'none'`. Then
 * `ok { epoch, acks }`, one `[shard, sequence, durability, duplicate]` for each event, with sequence 0 for none; or `fail` and
 * `unknown` with `{ epoch, stored, unknown }`: `stored` has `[index, shard, sequence, durability, duplicate]` for the events that are
 * stored all the same, `unknown` the indexes of those of which nobody knows.
 *
 * An event that waits (`delayMs`) has sequence 0 in its ack. `invoke cancel`: `{ id, topic }`, then `ok { cancelled }`.
 *
 * `invoke subscribe`: `{ as, filter, from }`: `as` is the name of the reader, whose position outlives its subscriptions;
 * `filter` is `{ topics, types? }`; `from` is `'now'`, `'earliest'` or `'checkpoint'`, its last one. Then `ok`, once all
 * shards have the subscription, and under the same operation:
 *
 * | entry | more | meaning |
 * | --- | --- | --- |
 * | `event` | `shard`, `sequence`, `id`, `topic`, `digest` | an event was delivered; sequence 0: it is ephemeral |
 * | `checkpoint` | `cursor` | the cursor covers everything delivered before this line, and is saved |
 * | `gap` | `shard`, `from`, `to`, `reason` | a gap was told |
 * | `dropped` | `count` | so many events were dropped, as was told |
 * | `ended` | `code` | the subscription ended |
 *
 * `invoke query`: `{ kind, topic, … }`, then `ok { events }`, each `[shard, sequence, id, topic, digest]`. Kinds: `newest`
 * (`reverse`, `limit`); `range` (`limit`, `after`: the sequence behind which it begins); `latest`, whose topic is a pattern;
 * `get` (`id`).
 *
 * `invoke schedule`: `{ name, topic, type, everyMs, text, wall }`: a schedule is set; `text` is the payload, and `wall` the
 * wall clock, ms. `invoke fired { until }` asks whether all due times until then are events, `invoke unschedule` deletes it.
 * Each has `ok { isDone, wall }`, or `unknown`.
 *
 * `invoke job`: `{ consumer, id, topic, shard, sequence, lease, attempt }`: an event of a consumer is in hand. Then
 * `say kind` before the client says what becomes of it (`ack`, `nak`, `back`, `term`), and `ok`, `fail` (the lease was
 * lost: it did not count) or `unknown`.
 *
 * The nemesis has a history too: `invoke fault { name, how }`, `ok`; `invoke heal { name }`, `ok`; and `calm` once the
 * last fault is healed.
 */

/** The machine's monotonic time, ns. */
export function now() {
  return Number(process.hrtime.bigint());
}

/** @returns a function that appends `[now, ...line]` to the file, in one write */
export function appender(file) {
  const descriptor = openSync(file, 'a', 0o600);
  return (...line) => writeSync(descriptor, `${JSON.stringify([now(), ...line])}\n`);
}

const CHUNK_BYTES = 1 << 20;

/** The whole lines of a file from a byte on, one by one; a kill may have cut the last one. */
export function* linesOf(file, from = 0) {
  let descriptor;
  try {
    descriptor = openSync(file, 'r');
  } catch (error) {
    if (error.code === 'ENOENT') return;
    throw error;
  }
  try {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    let rest = Buffer.alloc(0);
    for (let at = from; ; ) {
      const count = readSync(descriptor, chunk, 0, CHUNK_BYTES, at);
      if (count === 0) return;
      at += count;
      const bytes = Buffer.concat([rest, chunk.subarray(0, count)]);
      const end = bytes.lastIndexOf(10) + 1;
      rest = bytes.subarray(end);
      if (end === 0) continue;
      for (const line of bytes.toString('utf8', 0, end - 1).split('\n')) {
        if (line.startsWith('[')) yield JSON.parse(line);
      }
    }
  } finally {
    closeSync(descriptor);
  }
}

/** The histories in a folder: `{ name, lines }`, of which `lines()` begins anew each time. */
export function historiesIn(folder) {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.jsonl'))
    .sort()
    .map((file) => ({
      name: basename(file, '.jsonl'),
      lines: () => linesOf(join(folder, file)),
    }));
}

/** A client's own history, in which it goes on where it was when it died. */
export class History {
  #append;
  #operation = 0;
  /** How many events the client has made. */
  events = 0;
  /** The last cursor that each reader has saved. */
  cursors = new Map();
  /**
   * Calls of the last life that had no outcome: their `invoke` entries, by operation. Of a publish `firstAt` is when its events were
   * published first, in any life.
   */
  open = new Map();

  /** @param {{ name: string, lines: Iterable<any[]>, append: (...line: any[]) => unknown }} of `lines`: those of earlier lives */
  constructor({ name, lines, append }) {
    this.name = name;
    const readers = new Map();
    const firsts = new Map();
    for (const [at, operation, entry, ...rest] of lines) {
      this.#operation = Math.max(this.#operation, operation);
      this.#takeUp(readers, operation, entry, rest);
      const [kind, args] = rest;
      if (entry !== 'invoke' || kind !== 'publish') continue;
      const [id] = args.events[0];
      if (!firsts.has(id)) firsts.set(id, at);
      this.open.get(operation).firstAt = firsts.get(id);
    }
    this.#append = append;
    this.write(0, 'start', { pid: process.pid });
  }

  /** The history of a client in a folder of histories. */
  static of(folder, name) {
    const file = join(folder, `${name}.jsonl`);
    return new History({ name, lines: linesOf(file), append: appender(file) });
  }

  /** Begins an operation. @returns its number */
  invoke(kind, args) {
    const operation = ++this.#operation;
    this.write(operation, 'invoke', kind, args);
    return operation;
  }

  write(operation, entry, ...rest) {
    this.#append(operation, entry, ...rest);
  }

  #takeUp(readers, operation, entry, rest) {
    if (entry === 'start') this.open.clear();
    else if (entry === 'invoke') {
      const [kind, args] = rest;
      this.open.set(operation, { kind, args });
      if (kind === 'publish') this.events = Math.max(this.events, nextOf(args.events));
      if (kind === 'subscribe') readers.set(operation, args.as);
    } else if (entry === 'checkpoint') this.cursors.set(readers.get(operation), rest[0]);
    else if (entry === 'ok' || entry === 'fail' || entry === 'unknown') this.open.delete(operation);
  }
}

function nextOf(events) {
  return events.reduce((next, [id]) => Math.max(next, numberOf(id) + 1), 0);
}

/** The number in an id. */
export function numberOf(id) {
  return Number(id.slice(id.lastIndexOf('-') + 1));
}

/** The name of the client in an id. */
export function clientOf(id) {
  return id.slice(0, id.lastIndexOf('-'));
}
