import { clientOf, numberOf } from '../history.js';
import { Column, Names } from './columns.js';

/**
 * All events that anybody tried to publish, in a few dozen bytes each: a million fit in memory. An event is named by
 * its id and its topic, as ids count within a topic. It has a number, its _reference_, which tells its client and where it
 * stands in the order of that client's publishes.
 */

export const SYNCED = 1;
export const WRITTEN = 2;
export const EPHEMERAL = 4;
/** It expires soon, so it may be gone. */
export const BRIEF = 8;
/** It was tried more than once, so it has no place in its publisher's order. */
export const AGAIN = 16;
/** It is in the log. */
export const STORED = 32;
/** Its outcome is not known, of one try at least. */
export const UNKNOWN = 64;
/** It waits for its time after its publish was acknowledged. */
export const LATER = 128;
/** It was cancelled while it waited. */
export const CANCELLED = 256;
/** Nobody knows whether it was cancelled. */
export const MAY_BE_CANCELLED = 512;

/** An id may be used on a second topic; each has a slot. */
const SLOTS = 2;
const CLIENT = 2 ** 32;
/** The client of events that the bus makes, of schedules and dead letters: their ids are not those of clients. */
const BUS = 'the bus';

class Tries {
  topic = new Column(Int32Array, -1);
  type = new Column(Int32Array);
  digest = new Column(Uint32Array);
  parsed = new Column(Uint32Array);
  flags = new Column(Uint16Array);
  /** Tries that were not refused. */
  standing = new Column(Uint8Array);
  invokedAt = new Column(Float64Array);
  ackedAt = new Column(Float64Array);
  shard = new Column(Int8Array, -1);
  sequence = new Column(Float64Array);
}

export class Attempts {
  topics = new Names();
  types = new Names();
  count = 0;
  /** Before which time events that wait must not come, monotonic ns, by reference. */
  dueAt = new Map();
  #clients = new Names();
  /** The ids and topics of events that the bus makes. */
  #made = new Names();
  /** @type {Tries[]} */
  #tries = [];

  /** @returns the reference of the event of an entry, which is added if it is new */
  add([id, topic, type, digest, parsed = digest], at) {
    const client = this.#clients.numberOf(clientOf(id));
    const tries = (this.#tries[client] ??= new Tries());
    const topicNumber = this.topics.numberOf(topic);
    const slot = slotFor(tries, numberOf(id), topicNumber);
    if (slot === undefined) throw new Error(`${id} is used on more than ${SLOTS} topics`);
    const isNew = tries.topic.get(slot) < 0;
    if (isNew) {
      this.count++;
      tries.topic.set(slot, topicNumber);
      tries.type.set(slot, this.types.numberOf(type));
      tries.digest.set(slot, digest);
      tries.parsed.set(slot, parsed);
      tries.invokedAt.set(slot, at);
      // The second topic of an id comes later than its number says.
      if (slot % SLOTS > 0) tries.flags.set(slot, AGAIN);
    } else tries.flags.set(slot, tries.flags.get(slot) | AGAIN);
    tries.standing.set(slot, tries.standing.get(slot) + 1);
    return client * CLIENT + slot;
  }

  /** Adds an event that the bus makes. @returns its reference */
  addMade([id, topic, type, digest, parsed = digest], at) {
    const number = this.#made.numberOf(`${id} ${topic}`);
    return this.add([`${BUS}-${number}`, topic, type, digest, parsed], at);
  }

  /** @returns the reference of an event, or `undefined` if nobody ever tried to publish it */
  find(id, topic) {
    const client = this.#clients.find(clientOf(id));
    const topicNumber = this.topics.find(topic);
    const number = numberOf(id);
    if (topicNumber === undefined) return;
    if (client === undefined || !Number.isSafeInteger(number)) return this.#findMade(id, topic);
    const tries = this.#tries[client];
    for (let slot = number * SLOTS; slot < (number + 1) * SLOTS; slot++) {
      if (tries.topic.get(slot) === topicNumber) return client * CLIENT + slot;
    }
    return undefined;
  }

  #findMade(id, topic) {
    const number = this.#made.find(`${id} ${topic}`);
    const client = this.#clients.find(BUS);
    if (number === undefined || client === undefined) return undefined;
    return client * CLIENT + number * SLOTS;
  }

  get(reference, column) {
    return this.#tries[Math.floor(reference / CLIENT)][column].get(reference % CLIENT);
  }

  set(reference, column, value) {
    this.#tries[Math.floor(reference / CLIENT)][column].set(reference % CLIENT, value);
  }

  flag(reference, flag) {
    this.set(reference, 'flags', this.get(reference, 'flags') | flag);
  }

  has(reference, flag) {
    return (this.get(reference, 'flags') & flag) !== 0;
  }

  /** One of the event's tries was refused. */
  refuse(reference) {
    this.set(reference, 'standing', this.get(reference, 'standing') - 1);
  }

  topicOf(reference) {
    return this.topics.of(this.get(reference, 'topic'));
  }

  typeOf(reference) {
    return this.types.of(this.get(reference, 'type'));
  }

  clientNumberOf(reference) {
    return Math.floor(reference / CLIENT);
  }

  /** For people: the id and topic of a reference. */
  nameOf(reference) {
    const client = this.#clients.of(Math.floor(reference / CLIENT));
    const number = Math.floor((reference % CLIENT) / SLOTS);
    if (client === BUS) return this.#made.of(number).replace(' ', ' on ');
    return `${client}-${number} on ${this.topicOf(reference)}`;
  }

  *references() {
    for (const [client, tries] of this.#tries.entries()) {
      for (let slot = 0; slot < tries.topic.length; slot++) {
        if (tries.topic.get(slot) >= 0) yield client * CLIENT + slot;
      }
    }
  }
}

function slotFor(tries, number, topic) {
  for (let slot = number * SLOTS; slot < (number + 1) * SLOTS; slot++) {
    const taken = tries.topic.get(slot);
    if (taken < 0 || taken === topic) return slot;
  }
  return undefined;
}
