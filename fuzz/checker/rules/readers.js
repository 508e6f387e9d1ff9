import { BRIEF, EPHEMERAL, STORED } from './attempts.js';
import { Matcher } from './matching.js';

/** How far the wall clock, by which events wait, and the monotonic one may differ within a run, ns. */
const TOLERANCE_NS = 20e6;

/**
 * Judges what one reader got, over all its subscriptions.
 *
 * - C4: the events of a shard came in order, and none before its time. Nothing that its filter matches was left out without a gap, and no gap was
 *   told for events that are there. After a break it went on behind its checkpoint: what came before that did not come again.
 * - C2, C3, C5: what it got was published, was the event of that place, and was as it was sent.
 * - C6: in the end it has all.
 *
 * Its state is a position and a floor in each shard, whatever it has got.
 */
export class ReaderRule {
  delivered = 0;
  /** When the last marker came that told it of the end, monotonic ns. */
  markedAt = 0;
  /** Events that came again after a break, as they may. */
  repeated = 0;
  #name;
  #terms;
  #attempts;
  #places;
  #say;
  #matcher;
  #shards;
  /** Ephemeral events that came: each comes once at most. */
  #ephemeral = new Set();
  #operation = 0;
  /** When its first subscription was ready, of one that began with `now`. */
  #readyAt = Number.POSITIVE_INFINITY;
  #dropped = 0;

  constructor(name, terms, { attempts, places, say }) {
    this.#name = name;
    this.#terms = terms;
    this.#attempts = attempts;
    this.#places = places;
    this.#say = say;
    this.#shards = Array.from({ length: terms.shards }, () => new ShardOfReader());
  }

  take(/** @type {any[]} */ [at, operation, entry, ...rest]) {
    if (entry === 'invoke' && rest[0] === 'subscribe') this.#begin(operation, rest[1]);
    if (operation !== this.#operation || operation === 0) return;
    switch (entry) {
      case 'ok':
        this.#readyAt = Math.min(this.#readyAt, at);
        break;
      case 'event':
        this.#event(rest, at);
        break;
      case 'checkpoint':
        for (const shard of this.#shards) shard.save();
        break;
      case 'gap':
        this.#gap(rest);
        break;
      case 'dropped':
        this.#dropped += rest[0];
        break;
      case 'ended':
        this.#ended(rest[0]);
    }
  }

  finish(heads) {
    if (this.#matcher === undefined) return;
    for (const [number, head] of heads.entries()) {
      const missed = this.#missed(number, head + 1);
      if (missed === undefined) continue;
      const what = this.#attempts.nameOf(missed.reference);
      this.#say('C6', `${this.#name} never got ${what} at ${number}:${missed.sequence}`);
    }
  }

  #begin(operation, { filter, from }) {
    this.#operation = operation;
    this.#matcher ??= new Matcher(filter, this.#attempts);
    for (const shard of this.#shards) shard.begin(from);
    if (from === 'now') this.#readyAt = Number.POSITIVE_INFINITY;
  }

  #event(/** @type {any[]} */ [shard, sequence, id, topic, digest], time) {
    this.delivered++;
    const attempts = this.#attempts;
    const reference = attempts.find(id, topic);
    const where = `${id} on ${topic} at ${shard}:${sequence}`;
    if (reference === undefined) {
      this.#say('C2', `${this.#name} got ${where}, which nobody tried to publish`);
      return;
    }
    const isAsSent = [attempts.get(reference, 'digest'), attempts.get(reference, 'parsed')];
    if (!isAsSent.includes(digest))
      this.#say('C5', `${this.#name} got ${where} not as it was sent`);
    if (!this.#matcher.matches(reference)) {
      this.#say('C4', `${this.#name} got ${where}, which its filter does not match`);
    }
    const early = (attempts.dueAt.get(reference) ?? 0) - time;
    if (early > TOLERANCE_NS) {
      this.#say('C4', `${this.#name} got ${where} ${Math.round(early / 1e6)} ms before its time`);
    }
    if (topic.startsWith('end.')) this.markedAt = time;
    if (sequence === 0) this.#ephemeralEvent(reference, where);
    else this.#stored(shard, sequence, reference, where);
  }

  #ephemeralEvent(reference, where) {
    if (!this.#attempts.has(reference, EPHEMERAL)) {
      this.#say('C3', `${this.#name} got ${where} without its sequence`);
    }
    if (this.#ephemeral.has(reference)) this.#say('C4', `${this.#name} got ${where} twice`);
    this.#ephemeral.add(reference);
  }

  #stored(number, sequence, reference, where) {
    const shard = this.#shards[number];
    const attempts = this.#attempts;
    const isOfLog = attempts.has(reference, STORED) || attempts.has(reference, BRIEF);
    if (!isOfLog && attempts.get(reference, 'standing') === 0) {
      this.#say('C2', `${this.#name} got ${where}, which was refused`);
    }
    this.#places.note(this.#terms.epoch, number, sequence, reference, this.#name);
    if (shard.position !== undefined && sequence <= shard.position) {
      const isAgain = sequence === shard.position ? 'again' : `after ${shard.position}`;
      this.#say('C4', `${this.#name} got ${where} ${isAgain}`);
      return;
    }
    const missed = this.#missed(number, sequence);
    if (missed !== undefined) {
      const what = attempts.nameOf(missed.reference);
      this.#say(
        'C4',
        `${this.#name} got ${where} and was never told of ${what} at ${missed.sequence}`,
      );
    }
    if (sequence <= shard.highest) this.repeated++;
    shard.reach(sequence);
  }

  /** The first event before `sequence` that the reader should have got, or been told of. */
  #missed(number, sequence) {
    const shard = this.#shards[number];
    const attempts = this.#attempts;
    const isFresh = shard.position === undefined;
    if (isFresh && this.#readyAt === Number.POSITIVE_INFINITY && shard.from === 'now')
      return undefined;
    for (let at = (shard.position ?? 0) + 1; at < sequence; at++) {
      const reference = this.#places.at(this.#terms.epoch, number, at);
      if (reference === undefined || !this.#matcher.matches(reference)) continue;
      const isThere = attempts.has(reference, STORED);
      if (attempts.has(reference, BRIEF) || shard.wasTold(at, isThere)) continue;
      if (isFresh && !isThere) continue;
      if (
        isFresh &&
        shard.from === 'now' &&
        attempts.get(reference, 'invokedAt') <= this.#readyAt
      ) {
        continue;
      }
      return { reference, sequence: at };
    }
    return undefined;
  }

  #gap(/** @type {any[]} */ [number, from, to, reason]) {
    const shard = this.#shards[number];
    shard.tell(from, to, reason);
    if (reason !== 'pruned') return;
    // Within the bounds of what may be missing something has to be; what is left comes all the same.
    for (let at = from; at <= to; at++) {
      const reference = this.#places.at(this.#terms.epoch, number, at);
      if (reference === undefined || !this.#attempts.has(reference, STORED)) return;
    }
    this.#say(
      'C4',
      `${this.#name} was told of a gap from ${number}:${from} to ${to}, where nothing is missing`,
    );
  }

  #ended(code) {
    if (this.#terms.mayEnd.includes(code) || /^HTTP 50[34]$/.test(code)) return;
    this.#say('C4', `a subscription of ${this.#name} ended with ${code}`);
  }
}

/** How far a reader has got in a shard. */
class ShardOfReader {
  /** The last sequence that it got in this life; `undefined` before the first. */
  position;
  /** The last that it ever got. */
  highest = 0;
  from = 'now';
  /** The position that its checkpoint covers. */
  #floor;
  /** The last gap that it was told of, which is where the next events may begin. */
  #gaps = [];

  begin(from) {
    this.#gaps = [];
    if (from === 'checkpoint') {
      this.position = this.#floor;
      return;
    }
    this.from = from;
    this.position = undefined;
    this.#floor = undefined;
  }

  reach(sequence) {
    this.position = sequence;
    this.highest = Math.max(this.highest, sequence);
    if (this.#gaps.length > 0) this.#gaps = this.#gaps.filter(({ to }) => to > sequence);
  }

  save() {
    this.#floor = this.position;
  }

  tell(from, to, reason) {
    this.#gaps.push({ from, to, reason });
  }

  /** `isThere`: the event is in the log, so that it was not pruned. */
  wasTold(sequence, isThere) {
    return this.#gaps.some(
      ({ from, to, reason }) =>
        from <= sequence && sequence <= to && !(isThere && reason === 'pruned'),
    );
  }
}
