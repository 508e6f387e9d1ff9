import { world } from '../world/world.js';
import { isAsleep, noteDue } from './later.js';
import { Schedules } from './schedules.js';

/**
 * What everybody was told in a game, kept outside the bus: each publish with its fate, and each line of subscriptions
 * with the events that it got. The judge reads nothing else but the log at the end.
 */
/** `SHARD_RESTARTS_MAX`, and one more than `REPEATS_MAX` of the ports of readers. */
const SHARD_DEATHS = 5;
const READER_DEATHS = 3;
/** The longest group, which counts as one publish for who waits for room. */
const GROUP_EVENTS = 6;

export class History {
  /** @type {any[]} each `{ n, topic, persist, durability, publisher, status, ack, code, process }` */
  publishes = [];
  /** @type {Line[]} */
  lines = [];
  /** @type {string[]} */
  problems = [];
  /** How many of them break which promise. */
  kinds = { lost: 0, repeated: 0, misordered: 0, other: 0 };
  /** A thread of a shard has died in this process. */
  hasReplaced = false;
  /** How many threads of shards have died in this process. */
  #shardsLost = 0;
  /** How many threads that read history have died. */
  readersLost = 0;
  schedules = new Schedules(this);
  /** @type {any} the `Jobs` of the game's consumer */
  jobs;
  /** @type {{ pattern: string } | undefined} which events may be removed */
  retention;
  /** Before this nothing was removed, in the order of all that was called and told. */
  removesFrom = Number.POSITIVE_INFINITY;
  /** Set while the bus of the last process closes. */
  isClosing = false;
  /** What reads of the whole log have shown: as `Line.events`. @type {any[]} */
  reads = [];
  /** The drains that have not resolved. @type {Set<object>} */
  drains = new Set();
  #clock = 0;

  /** The place of something in the order of all that was called and told. */
  tick() {
    return ++this.#clock;
  }

  invoke(input, publisher, process) {
    const { topic, persist, durability } = input;
    const isRemote = process === 'remote';
    const place = { publisher, process, isRemote };
    const mayBePruned = this.retention !== undefined && matches(this.retention.pattern, topic);
    const publish = { n: this.publishes.length, topic, persist, durability, mayBePruned, ...place };
    this.publishes.push({ ...publish, status: 'pending', at: this.tick() });
    return this.publishes[publish.n];
  }

  /** The next thread may take a publish before a subscription that was made earlier and is not ready (GUARANTEES). */
  shardDied() {
    this.hasReplaced = true;
    this.#shardsLost++;
    for (const line of this.lines) if (!line.isReady) line.beganAt = Number.POSITIVE_INFINITY;
  }

  /** Another process begins. */
  begin() {
    this.hasReplaced = false;
    this.#shardsLost = 0;
  }

  /** A shard is given up after so many deaths, and a page that no thread has read is asked for again so often. */
  get storeMayFail() {
    return this.#shardsLost >= SHARD_DEATHS || this.readersLost >= READER_DEATHS;
  }

  /**
   * A client has sent publishes over a connection. What it sends again over another one is another publisher's (GUARANTEES).
   * @param {string} text a frame
   */
  sent(text, connection) {
    if (!text.includes('"type":"publish"')) return;
    for (const [, n] of text.matchAll(/"n":(\d+)/g)) {
      const publish = this.publishes[Number(n)];
      if (publish.sentOver !== undefined && publish.sentOver !== connection)
        publish.isResent = true;
      publish.sentOver = connection;
    }
  }

  ok(publish, ack) {
    noteDue(publish, ack);
    Object.assign(publish, { status: 'ok', ack, endAt: this.tick() });
    for (const line of this.lines) {
      if (line.move.overflow !== 'block' || line.hasLeft || this.hasReplaced) continue;
      const problem = line.overrun(this.publishes, ack.shard);
      if (problem !== undefined) this.problem(problem);
    }
  }

  fail(publish, error) {
    // A thread that dies within the call is told nothing, and may have published.
    const isUnknown =
      error?.code === 'PUBLISH_UNKNOWN' || error?.code === 'SHARD_RESTARTED' || hasDied();
    // Once an attempt may have been stored, no later refusal says that it was not.
    const wasUnknown = publish.wasUnknown === true;
    Object.assign(publish, {
      status: isUnknown || wasUnknown ? 'unknown' : 'fail',
      code: error?.code ?? String(error),
      wasUnknown: isUnknown || wasUnknown,
      endAt: this.tick(),
    });
  }

  /** @param {string} text @param {import('./problems.js').Kind} kind */
  problem(text, kind = 'other') {
    // Where a thread dies, its program goes on for a moment with calls that fail.
    if (hasDied()) return;
    if (this.problems.includes(text)) return;
    this.problems.push(text);
    this.kinds[kind]++;
  }
}

function hasDied() {
  return world()?.current.isDead === true;
}

/** One subscriber that goes on from its cursor whenever it or its process has ended. */
export class Line {
  /** @type {{ shard: number, sequence: number | undefined, n: number, epoch: string }[]} what it has, in order */
  events = [];
  /** @type {any} the subscription that runs */
  subscription;
  /** @type {string | undefined} */
  cursor;
  dropped = 0;
  /** @type {any} why the subscription ended */
  failure;
  /** @type {any[]} */
  gaps = [];
  /** Whether its handler or its loop is at an event. */
  hand = { isBusy: false };
  /** @type {{ shard: number, position: number, taken: number }[]} how far it counted as consumed, and when */
  looks = [];
  /** @type {number[]} the last position of each shard */
  #seen = [];
  /** How often its handler has published. */
  echoes = 0;
  isReady = false;
  isEnded = false;
  /** It has begun again, from a cursor: what is read from the log has no bound. */
  hasLeft = false;
  /** When `ready` was told first, in the history's order. */
  readyAt = Number.POSITIVE_INFINITY;
  /** When it subscribed without a cursor. */
  beganAt = Number.POSITIVE_INFINITY;
  /** @type {string | undefined} the first event that counted as consumed while somebody was at it */
  tooEarly;

  constructor(move, endpoint, process) {
    this.move = move;
    this.endpoint = endpoint;
    this.process = process;
    this.isRemote = process === 'remote';
  }

  /**
   * Notes how far the subscription counts as consumed, and how many events had been taken then.
   * @param {readonly number[] | undefined} positions of each shard; undefined: nobody tells
   */
  look(positions) {
    if (positions === undefined || !this.isReady || this.isLossy) return;
    this.#lookAtHand(positions);
    for (let shard = 0; shard < positions.length; shard++) {
      const position = positions[shard];
      if (position <= (this.#seen[shard] ?? 0)) continue;
      this.#seen[shard] = position;
      this.looks.push({ shard, position, taken: this.events.length });
    }
  }

  /** The event that a handler or a loop is at is not consumed. */
  #lookAtHand(positions) {
    const event = this.hand.isBusy ? this.events.at(-1) : undefined;
    if (event?.sequence === undefined) return;
    const { shard, sequence } = event;
    if (positions[shard] < sequence) return;
    this.tooEarly ??= `${shard}:${sequence}`;
  }

  /** Whether it must get this publish, of what came after it began at the end of the log. */
  expects({ at, publisher, process, isOfAnother }) {
    if (at > this.readyAt) return true;
    // Who subscribes and then publishes gets the event, also before the subscription is ready.
    return (
      !this.isRemote &&
      isOfAnother !== true &&
      process === this.process &&
      publisher === this.publisher &&
      at > this.beganAt
    );
  }

  /** The first of these publishes that was acknowledged and that it has not got, though it must. */
  missing(publishes) {
    const had = new Map();
    for (const { shard, sequence } of this.events)
      if (sequence !== undefined) had.set(shard, sequence);
    return publishes.find((publish) => {
      const { status, topic, persist, ack, mayBeLost, mayBePruned, later } = publish;
      if (status !== 'ok' || mayBeLost || mayBePruned || !persist || !this.matches(topic))
        return false;
      if (later?.dueAt !== undefined) return this.#missesLater(publish);
      if (ack.sequence <= (had.get(ack.shard) ?? 0)) return false;
      return this.move.from === 'earliest' || this.expects(publish) || had.has(ack.shard);
    });
  }

  /** Of a publish that waited for its time, nobody was told the sequence. */
  #missesLater(publish) {
    if (publish.isCancelled || publish.mayBeCancelled || isAsleep(publish)) return false;
    if (this.events.some(({ n }) => n === publish.n)) return false;
    return this.move.from === 'earliest' || this.expects(publish);
  }

  get publisher() {
    return `${this.process}:${this.endpoint}`;
  }

  /** @returns {string | undefined} what is wrong with it: it comes before what follows the gap */
  notifyGap(gap) {
    this.gaps.push(gap);
    const later = this.events.find(
      ({ shard, sequence }) => shard === gap.shard && sequence !== undefined && sequence > gap.to,
    );
    if (later === undefined || gap.reason !== 'pruned') return undefined;
    const told = `${this.move.name} was told of the gap ${gap.from}-${gap.to}`;
    return `${told} behind ${later.shard}:${later.sequence}`;
  }

  /** That publishers did not wait for it, which began at the end of the log. @returns {string | undefined} */
  overrun(publishes, shard) {
    const { name, from, maxBuffer } = this.move;
    if (from !== 'now' || this.isRemote || !this.isReady) return undefined;
    const taken = new Set(this.events.map(({ n }) => n));
    const waiting = publishes.filter(
      ({ n, status, ack, topic, at }) =>
        status === 'ok' &&
        ack.shard === shard &&
        at > this.readyAt &&
        this.matches(topic) &&
        !taken.has(n),
    );
    const most = this.subscription.window + maxBuffer + GROUP_EVENTS;
    if (waiting.length <= most) return undefined;
    return `${waiting.length} events wait for ${name}, which has room for ${most}`;
  }

  get isLossy() {
    return this.move.overflow !== 'catch-up' && this.move.overflow !== 'block';
  }

  matches(topic) {
    return matches(this.move.pattern, topic);
  }

  /**
   * What the cursor does not cover comes again: at most the event in hand may be among it, and what a power cut has taken.
   * @param {readonly number[]} positions of the cursor
   * @param {(event: { n: number, epoch: string }) => boolean} mayBeGone
   */
  rewind(positions, mayBeGone) {
    const isCovered = ({ shard, sequence }) =>
      sequence !== undefined && sequence <= positions[shard];
    const last = this.events.findLastIndex(isCovered);
    const again = this.events.splice(last + 1);
    this.looks = [];
    this.#seen = [];
    const kept = again.filter((event) => event.sequence !== undefined && !mayBeGone(event));
    if (kept.length <= 1) return undefined;
    return `${this.move.name} had ${kept.length} events that its cursor did not cover`;
  }
}

/** By pattern and topic, of which games have few. @type {Map<string, Map<string, boolean>>} */
const known = new Map();

export function matches(pattern, topic) {
  let topics = known.get(pattern);
  if (topics === undefined) known.set(pattern, (topics = new Map()));
  let answer = topics.get(topic);
  if (answer === undefined) topics.set(topic, (answer = compare(pattern, topic)));
  return answer;
}

function compare(pattern, topic) {
  if (pattern === '*') return !topic.startsWith('$');
  const wanted = pattern.split('.');
  const parts = topic.split('.');
  for (const [i, part] of wanted.entries()) {
    if (part === '*' && i === wanted.length - 1) return parts.length > i;
    if (part !== '+' && part !== '*' && part !== parts[i]) return false;
  }
  return parts.length === wanted.length;
}
