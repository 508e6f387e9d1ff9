import { hold, shown } from '../hold.js';

/**
 * A ring against a list: random claims, commits, aborts, reads, releases, new producers and consumers, from positions
 * that wrap soon. A case is `{ capacity, start, share, steps }`; a step is `[name, number, number]`.
 */

const CAPACITIES = [64, 64, 128, 256, 1024];
const STARTS = [
  0,
  8,
  2 ** 31 - 64,
  2 ** 31 - 8,
  2 ** 31,
  2 ** 32 - 128,
  2 ** 32 - 8,
  2 ** 32,
  2 ** 40 - 64,
];
const STEPS = ['write', 'write', 'write', 'claim', 'commit', 'abort', 'read', 'read', 'stop'];
const MORE_STEPS = ['throw', 'release', 'release', 'wait', 'producer', 'consumer', 'seek', 'until'];
const ALL = [...STEPS, ...MORE_STEPS];
const HEADER = 8;
const PADDING_TYPE = -1;

export async function open(load) {
  const product = { ...(await load('ring/ring.js')), ...(await load('ring/ring-descriptor.js')) };
  return { make, check: (one) => new Play(one, product).play(), isCase };
}

function isCase({ capacity, start, share, steps }) {
  const isRing = CAPACITIES.includes(capacity) && STARTS.includes(start) && share >= 2;
  return isRing && steps.every((step) => step.length === 3 && ALL.includes(step[0]));
}

function make(random) {
  const capacity = random.pick(CAPACITIES);
  const steps = Array.from({ length: 1 + random.below(40) }, () => [
    random.pick(ALL),
    random.chance(0.8) ? random.below(capacity / 2) : random.below(4),
    random.below(6),
  ]);
  return { capacity, start: random.pick(STARTS), share: random.pick([2, 2, 3, 4, 8]), steps };
}

/** The ring, and what it has to be: records with their ends, as totals that never wrap. */
class Play {
  #capacity;
  #share;
  #steps;
  #product;
  #buffer;
  #producer;
  #consumer;
  #claim;
  #written;
  #read;
  #released;
  #isWaiting = false;
  #mayOweWakeUp = true;
  #next = 0;
  /** @type {{ end: number, length: number, first: number }[]} not released */
  #records = [];

  constructor({ capacity, start, share, steps }, product) {
    this.#capacity = capacity;
    this.#share = share;
    this.#steps = steps;
    this.#product = product;
    this.#buffer = product.createRing(capacity, start);
    this.#producer = new product.RingProducer(this.#buffer, share);
    this.#consumer = new product.RingConsumer(this.#buffer);
    this.#written = start;
    this.#read = start;
    this.#released = start;
  }

  play() {
    for (const [name, a, b] of this.#steps) {
      this[name]?.(a, b);
      this.#compare(name);
    }
    this.release();
    this.read(Infinity);
    this.release();
    hold(this.#consumer.isEmpty() && this.#records.length === 0, 'not all records were read');
  }

  write(length, type) {
    this.claim(length);
    if (this.#claim !== undefined) this.commit(length, type);
  }

  claim(length) {
    const { RING_FULL } = this.#product;
    const most = Math.floor(this.#capacity / this.#share) - HEADER;
    const isWrong = length > most || this.#claim !== undefined;
    const offset = this.#catch(isWrong, () => this.#producer.tryClaim(length));
    if (isWrong) return;
    const index = this.#written % this.#capacity;
    const span = spanOf(length);
    const padding = index + span > this.#capacity ? this.#capacity - index : 0;
    const hasRoom = span + padding <= this.#capacity - (this.#written - this.#released);
    const expected = hasRoom ? ((this.#written + padding) % this.#capacity) + HEADER : RING_FULL;
    hold(offset === expected, () => `a claim of ${length} gets ${offset}, and not ${expected}`);
    if (hasRoom) this.#claim = { at: this.#written + padding, length, offset };
  }

  commit(length, type) {
    const isWrong = this.#claim === undefined || length > this.#claim.length;
    const isPadding = type === 5;
    const first = this.#next++ & 0xff;
    const offset = this.#claim?.offset ?? 0;
    if (!isWrong && !isPadding) {
      for (let at = 0; at < length; at++) this.#producer.bytes[offset + at] = first + at;
    }
    this.#catch(isWrong || isPadding, () =>
      this.#producer.commit(isPadding ? PADDING_TYPE : type, length),
    );
    if (isWrong || isPadding) return;
    this.#written = this.#claim.at + spanOf(length);
    this.#records.push({ end: this.#written, length, first });
    this.#claim = undefined;
  }

  abort() {
    this.#producer.abort();
    this.#claim = undefined;
  }

  /**
   * @param {number} limit
   * @param {number} [_]
   * @param {{ stopAt?: number, throwAt?: number, until?: number }} [options]
   */
  read(limit, _ = 0, options = {}) {
    const { stopAt = Infinity, throwAt = Infinity, until } = options;
    const due = this.#records.filter(({ end }) => end > this.#read && end <= (until ?? Infinity));
    const most = Math.min(limit, due.length, stopAt, throwAt);
    let at = 0;
    const handler = (type, bytes, offset, length) => {
      if (at === throwAt) throw new Error('the handler throws');
      if (at === stopAt) return false;
      const record = due[at++];
      hold(
        length === record.length && type >= 0,
        () => `a record of ${length}, not ${record.length}`,
      );
      for (let i = 0; i < length; i++) {
        const byte = (record.first + i) & 0xff;
        hold(bytes[offset + i] === byte, () => `byte ${i} is ${bytes[offset + i]}, not ${byte}`);
      }
      return undefined;
    };
    const wrapped = until === undefined ? undefined : until | 0;
    const throws = throwAt < Math.min(limit, due.length);
    const count = this.#catch(throws, () => this.#consumer.read(handler, limit, wrapped));
    hold(throws || count === most, () => `${count} were read, and not ${most}`);
    if (most > 0) this.#read = due[most - 1].end;
  }

  stop(limit, stopAt) {
    this.read(limit, 0, { stopAt });
  }

  throw(limit, throwAt) {
    this.read(limit, 0, { throwAt });
  }

  until(limit, back) {
    // A position for `until` is one that `look` has returned.
    const seen = this.#consumer.look();
    hold(seen === (this.#written | 0), () => `look sees ${seen}, and not ${this.#written}`);
    const ends = this.#records.map(({ end }) => end).filter((end) => end >= this.#read);
    this.read(limit, 0, { until: ends.at(-1 - back) ?? this.#read });
  }

  release() {
    const isNew = this.#read !== this.#released || this.#mayOweWakeUp;
    const told = this.#consumer.release();
    hold(
      told === (isNew && this.#isWaiting),
      () => `release tells ${told}, waiting ${this.#isWaiting}`,
    );
    if (isNew) this.#isWaiting = false;
    this.#mayOweWakeUp = false;
    this.#released = this.#read;
    this.#records = this.#records.filter(({ end }) => end > this.#released);
  }

  wait() {
    this.#producer.setWaiting();
    this.#isWaiting = true;
  }

  /** Its thread died, perhaps with an open claim. */
  producer() {
    const { generation } = this.#producer;
    this.#producer = new this.#product.RingProducer(this.#buffer, this.#share);
    hold(this.#producer.generation === generation + 1, 'the generation');
    this.#claim = undefined;
  }

  consumer() {
    this.#consumer = new this.#product.RingConsumer(this.#buffer);
    this.#read = this.#released;
    this.#mayOweWakeUp = true;
  }

  seek(distance, count) {
    const ends = [
      this.#read,
      ...this.#records.map(({ end }) => end).filter((end) => end > this.#read),
    ];
    const target = count > 2 ? this.#read + distance : ends[Math.min(count, ends.length - 1)];
    const isEnd = ends.includes(target);
    this.#catch(!isEnd, () => this.#consumer.seek(target | 0));
    if (isEnd) this.#read = target;
  }

  #compare(name) {
    const seen = [this.#producer.position, this.#producer.usedBytes, this.#consumer.position];
    const more = [this.#consumer.totalPosition, this.#consumer.usedBytes, this.#producer.isWaiting];
    const used = this.#written - this.#released;
    const expected = [this.#written | 0, used, this.#read | 0, this.#read, used, this.#isWaiting];
    const isSame = [...seen, ...more].every((value, at) => value === expected[at]);
    hold(isSame, () => `after ${name}: ${shown([...seen, ...more])}, and not ${shown(expected)}`);
  }

  /** What the call returns; `isWrong`: it has to throw. */
  #catch(isWrong, call) {
    let value;
    try {
      value = call();
    } catch (error) {
      if (error.constructor.name === 'Finding' || !isWrong) throw error;
      return undefined;
    }
    hold(!isWrong, 'a wrong call is taken');
    return value;
  }
}

function spanOf(length) {
  return Math.ceil((length + HEADER) / 8) * 8;
}
