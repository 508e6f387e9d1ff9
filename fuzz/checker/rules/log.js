import {
  AGAIN,
  BRIEF,
  CANCELLED,
  EPHEMERAL,
  MAY_BE_CANCELLED,
  STORED,
  SYNCED,
  UNKNOWN,
  WRITTEN,
} from './attempts.js';
import { matches } from './matching.js';

/**
 * Holds a full replay of the log against what publishers wrote down.
 *
 * - C1: every acknowledged event is there, and every group is there whole or not at all.
 * - C2: nothing is there that nobody tried to publish, that was refused or cancelled, or that is ephemeral.
 * - C3: each is at its place, there are no holes, and the events of a publisher on a topic are in its order. One that
 *   expected another stands right behind that one.
 * - C5: each is as it was sent, byte for byte.
 */
export class LogRule {
  stored = 0;
  #terms;
  #attempts;
  #places;
  #publishes;
  #letters;
  #say;
  /** By shard, the last sequence; by topic, too. */
  #heads = new Map();
  #lastOfTopic = new Map();
  /** The last event of each publisher on each topic. */
  #lastOfPublisher = new Map();
  /** Sequences that the log lacks. */
  #holes = [];
  /** By pattern of retention and shard, the sequences that are there. */
  #kept = new Map();

  /** @param terms `{ epoch, pruned, losesPower? }` of the run */
  constructor(terms, { attempts, places, publishes, letters, say }) {
    this.#terms = terms;
    this.#attempts = attempts;
    this.#places = places;
    this.#publishes = publishes;
    this.#letters = letters;
    this.#say = say;
  }

  /** Takes the next event of the log; those of a shard come in their order. */
  take(/** @type {any[]} */ [shard, sequence, id, topic, digest, dead]) {
    this.stored++;
    if (dead !== undefined) this.#letters.take({ id, topic, digest }, dead);
    const where = `${id} on ${topic} at ${shard}:${sequence}`;
    this.#passHoles(shard, sequence);
    const attempts = this.#attempts;
    const reference = attempts.find(id, topic);
    if (reference === undefined) {
      this.#say('C2', `${where} is in the log, and nobody tried to publish it`);
      return;
    }
    if (attempts.has(reference, EPHEMERAL))
      this.#say('C2', `${where} is ephemeral, and is in the log`);
    if (attempts.get(reference, 'standing') === 0) {
      this.#say('C2', `${where} was refused, and is in the log`);
    }
    if (attempts.has(reference, CANCELLED)) {
      this.#say('C2', `${where} was cancelled, and is in the log`);
    }
    if (attempts.get(reference, 'digest') !== digest) {
      this.#say('C5', `${where} is not in the log as it was sent`);
    }
    this.#judgeExpectation(reference, topic, where);
    this.#places.note(this.#terms.epoch, shard, sequence, reference, 'the log');
    attempts.flag(reference, STORED);
    this.#judgeOrder(reference, where);
    this.#lastOfTopic.set(topic, sequence);
    this.#keep(shard, topic, sequence);
  }

  /** Takes the heads of the shards, once all events were taken. */
  finish(heads) {
    for (const [shard, head] of heads.entries()) this.#passHoles(shard, head + 1);
    for (const reference of this.#attempts.references()) this.#judgeThere(reference);
    for (const group of this.#publishes.groups) this.#judgeGroup(group);
    this.#judgeHoles();
  }

  #passHoles(shard, sequence) {
    const last = this.#heads.get(shard) ?? 0;
    if (sequence <= last) {
      this.#say('C3', `the log of shard ${shard} has ${sequence} after ${last}`);
      return;
    }
    for (let hole = last + 1; hole < sequence; hole++) this.#holes.push([shard, hole]);
    this.#heads.set(shard, sequence);
  }

  #judgeOrder(reference, where) {
    const attempts = this.#attempts;
    if (attempts.has(reference, AGAIN)) return;
    const key = attempts.clientNumberOf(reference) * 65_536 + attempts.get(reference, 'topic');
    const last = this.#lastOfPublisher.get(key);
    if (last !== undefined && last > reference) {
      this.#say('C3', `${where} stands behind ${attempts.nameOf(last)}, which was published later`);
    }
    this.#lastOfPublisher.set(key, reference);
  }

  #judgeExpectation(reference, topic, where) {
    const expected = this.#publishes.expected.get(reference);
    if (expected === undefined) return;
    const last = this.#lastOfTopic.get(topic) ?? 'none';
    if (last !== expected) this.#say('C3', `${where} expected ${expected} before it, not ${last}`);
  }

  #keep(shard, topic, sequence) {
    const rule = this.#ruleOf(topic);
    if (rule === undefined) return;
    const key = `${shard} ${rule.pattern}`;
    const kept = this.#kept.get(key);
    if (kept === undefined) this.#kept.set(key, [sequence]);
    else kept.push(sequence);
  }

  #ruleOf(topic) {
    return this.#terms.pruned.find(({ pattern }) => matches(pattern, topic));
  }

  /** Whether retention or its end may have removed the event: as many newer ones are there as the rule keeps. */
  #mayBeGone(reference) {
    const attempts = this.#attempts;
    if (attempts.has(reference, BRIEF)) return true;
    const rule = this.#ruleOf(attempts.topicOf(reference));
    if (rule === undefined) return false;
    const sequence = attempts.get(reference, 'sequence');
    const kept = this.#kept.get(`${attempts.get(reference, 'shard')} ${rule.pattern}`) ?? [];
    return kept.length >= rule.kept && kept[kept.length - rule.kept] > sequence;
  }

  #judgeThere(reference) {
    const attempts = this.#attempts;
    const isAcked = attempts.has(reference, SYNCED) || attempts.has(reference, WRITTEN);
    if (!isAcked || attempts.has(reference, STORED) || this.#mayBeGone(reference)) return;
    if (attempts.has(reference, CANCELLED) || attempts.has(reference, MAY_BE_CANCELLED)) return;
    if (this.#terms.losesPower && !attempts.has(reference, SYNCED)) {
      this.#judgeEpoch(reference);
      return;
    }
    const sequence = attempts.get(reference, 'sequence');
    const where =
      sequence === 0
        ? 'has had its time'
        : `was acknowledged at ${attempts.get(reference, 'shard')}:${sequence}`;
    this.#say('C1', `${attempts.nameOf(reference)} ${where}, and is not in the log`);
  }

  /** Where history went backwards, another epoch has begun. */
  #judgeEpoch(reference) {
    const attempts = this.#attempts;
    const [shard, sequence] = [
      attempts.get(reference, 'shard'),
      attempts.get(reference, 'sequence'),
    ];
    if (this.#places.at(this.#terms.epoch, shard, sequence) !== reference) return;
    const name = attempts.nameOf(reference);
    this.#say('C3', `${name} was at ${shard}:${sequence} in this epoch, and is gone`);
  }

  #judgeGroup(group) {
    const attempts = this.#attempts;
    if (group.some((reference) => this.#ruleOf(attempts.topicOf(reference)))) return;
    const there = group.filter((reference) => attempts.has(reference, STORED));
    if (there.length === 0) return;
    const [first] = group;
    if (there.length < group.length) {
      const of = `${there.length} of ${group.length} events`;
      this.#say('C1', `of the group of ${attempts.nameOf(first)}, ${of} are in the log`);
      return;
    }
    const begin = attempts.get(first, 'sequence');
    if (group.some((reference, at) => attempts.get(reference, 'sequence') !== begin + at)) {
      this.#say('C3', `the group of ${attempts.nameOf(first)} does not stand side by side`);
    }
  }

  /** A hole is the place of an event that retention or its end removed. */
  #judgeHoles() {
    let unseen = this.#unseenAtMost();
    for (const [shard, sequence] of this.#holes) {
      const reference = this.#places.ever(this.#terms.epoch, shard, sequence);
      if (reference === undefined ? unseen-- > 0 : this.#mayBeGone(reference)) continue;
      const what =
        reference === undefined
          ? 'an event that nobody has seen'
          : this.#attempts.nameOf(reference);
      this.#say('C3', `the log has a hole at ${shard}:${sequence}, the place of ${what}`);
    }
  }

  /** How many events may have been stored and removed without anybody learning of their places. */
  #unseenAtMost() {
    const attempts = this.#attempts;
    let count = 0;
    for (const reference of attempts.references()) {
      if (!attempts.has(reference, UNKNOWN) || attempts.get(reference, 'sequence') > 0) continue;
      const isRemovable =
        attempts.has(reference, BRIEF) || this.#ruleOf(attempts.topicOf(reference)) !== undefined;
      if (isRemovable) count++;
    }
    return count;
  }
}
