import {
  AGAIN,
  BRIEF,
  CANCELLED,
  EPHEMERAL,
  LATER,
  MAY_BE_CANCELLED,
  SYNCED,
  UNKNOWN,
  WRITTEN,
} from './attempts.js';

/**
 * Takes what publishers wrote down: what they tried, what was acknowledged and where, and what was refused. Also the groups that
 * are stored whole or not at all, the expectations, and which of those that wait were cancelled. Streams: it holds only operations that have not ended.
 */
export class Publishes {
  /** References of the first event of each group, and the number of its events. */
  groups = [];
  /** What each event expected as its topic's last, by reference. */
  expected = new Map();
  acked = 0;
  #strongest;
  #attempts;
  #places;
  #say;

  /** @param terms `{ strongest? }` of the run */
  constructor({ strongest = 'synced' }, { attempts, places, say }) {
    this.#strongest = strongest;
    this.#attempts = attempts;
    this.#places = places;
    this.#say = say;
  }

  /** @param epoch the epoch of acks that name none, as those over HTTP */
  take(name, lines, epoch) {
    const open = new Map();
    for (const [at, operation, entry, ...rest] of lines) {
      if (entry === 'start' || (entry === 'state' && rest[0] === 'connected')) {
        for (const call of open.values()) this.#excuse(call);
      }
      if (entry === 'start') {
        for (const call of open.values()) this.#lose(call);
        open.clear();
      } else if (entry === 'problem') this.#say('member', `${name}: ${rest[0]}`);
      else if (entry === 'invoke' && rest[0] === 'publish') {
        open.set(operation, this.#begin(rest[1], at));
      } else if (entry === 'invoke' && rest[0] === 'cancel') {
        const { id, topic } = rest[1];
        const references = [this.#attempts.find(id, topic)];
        open.set(operation, { references, isCancellation: true });
      } else if (open.has(operation)) {
        this.#end(name, open.get(operation), { at, entry, rest, epoch });
        open.delete(operation);
      }
    }
    for (const call of open.values()) this.#lose(call);
  }

  /**
   * A thread that was replaced has left these publishes, or a client repeats them over another connection: they are of
   * another publisher than those that follow, and nobody promises their order.
   */
  #excuse({ references }) {
    for (const reference of references) {
      if (reference !== undefined) this.#attempts.flag(reference, AGAIN);
    }
  }

  #begin(args, at) {
    const attempts = this.#attempts;
    const { events, durability, ephemeral, atomic, expect, ttlMs, delayMs } = args;
    const references = events.map((event) => attempts.add(event, at));
    for (const reference of references) {
      if (ephemeral) attempts.flag(reference, EPHEMERAL);
      if (ttlMs !== undefined) attempts.flag(reference, BRIEF);
      if (delayMs === undefined) continue;
      // It gets its place when its time has come, so it has none in its publisher's order.
      attempts.flag(reference, LATER | AGAIN);
      if (!attempts.dueAt.has(reference)) attempts.dueAt.set(reference, at + delayMs * 1e6);
    }
    if (atomic) this.groups.push(references);
    if (expect !== undefined) this.expected.set(references[0], expect);
    return { references, durability };
  }

  #end(name, call, { at, entry, rest, epoch }) {
    if (call.isCancellation) {
      if (entry !== 'ok') this.#lose(call);
      else if (rest[0].cancelled) this.#attempts.flag(call.references[0], CANCELLED);
      return;
    }
    if (entry === 'ok') {
      const [{ acks, epoch: told = epoch }] = rest;
      for (const [index, ack] of acks.entries()) this.#ack(name, call, { index, ack, at, told });
      return;
    }
    const [code, { stored = [], unknown, epoch: told = epoch } = /** @type {any} */ ({})] = rest;
    const standing = new Set(stored.map(([index]) => index));
    for (const [index, ...ack] of stored) this.#ack(name, call, { index, ack, at, told });
    const isUnknown = (index) =>
      unknown === undefined ? entry === 'unknown' : unknown.includes(index);
    for (const [index, reference] of call.references.entries()) {
      if (standing.has(index)) continue;
      if (isUnknown(index)) this.#attempts.flag(reference, UNKNOWN);
      else this.#attempts.refuse(reference);
    }
    if (entry !== 'fail' && entry !== 'unknown') this.#say('member', `${name}: ${entry} ${code}`);
  }

  #ack(name, { references, durability }, { index, ack, at, told }) {
    const attempts = this.#attempts;
    const reference = references[index];
    const [shard, sequence, promised] = ack;
    this.acked++;
    if (sequence === 0 && !attempts.has(reference, LATER)) return;
    const isStrongest = promised === this.#strongest;
    attempts.flag(reference, isStrongest ? SYNCED : WRITTEN);
    if (durability === 'synced' && !isStrongest) {
      this.#say(
        'C1',
        `${attempts.nameOf(reference)} asked for ${this.#strongest}, and was acknowledged as ${promised}`,
      );
    }
    // It waits, and has no place yet.
    if (sequence === 0) return;
    if (attempts.get(reference, 'ackedAt') === 0) attempts.set(reference, 'ackedAt', at);
    this.#places.note(told, shard, sequence, reference, name);
  }

  #lose({ references, isCancellation }) {
    const flag = isCancellation ? MAY_BE_CANCELLED : UNKNOWN;
    for (const reference of references) this.#attempts.flag(reference, flag);
  }
}
