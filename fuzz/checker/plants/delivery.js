/** Faults in what subscribers get. */
const DELIVERY = 'shards/delivery.js';
const DELIVER_ONE = 'delivered += this.#deliverOne(route, view, topics[i], sequences[i]); } return';
const SUBSCRIBED = 'progress.received = positions[shard];';

/** @type {Record<string, import('../plants.js').Plant>} */
export const plants = {
  'an event is dropped': {
    rule: 'C4',
    file: DELIVERY,
    from: DELIVER_ONE,
    to: 'if (sequences[i] % 40 !== 39) delivered += this.#deliverOne(route, view, topics[i], sequences[i]); } return',
  },
  'two events are swapped': {
    rule: 'C4',
    file: DELIVERY,
    from: 'for (let i = 0; i < length; i++) { const route = this.#routes.of(topics[i]);',
    to: `for (let n = 0; n < length; n++) {
            const i = (n ^ 1) < length && sequences[n] !== 0 && sequences[n ^ 1] !== 0 ? n ^ 1 : n;
            const route = this.#routes.of(topics[i]);`,
  },
  'an event comes twice': {
    rule: 'C4',
    file: DELIVERY,
    from: DELIVER_ONE,
    to: `delivered += this.#deliverOne(route, view, topics[i], sequences[i]);
            if (sequences[i] % 40 === 39) this.#deliverOne(route, view, topics[i], sequences[i]);
        } return`,
  },
  'an ephemeral event comes twice': {
    rule: 'C4',
    file: DELIVERY,
    from: DELIVER_ONE,
    to: `delivered += this.#deliverOne(route, view, topics[i], sequences[i]);
            if (sequences[i] === 0) this.#deliverOne(route, view, topics[i], sequences[i]);
        } return`,
  },
  'a filter is not asked': {
    rule: 'C4',
    file: DELIVERY,
    from: 'if (subscription.predicate !== undefined && !subscription.predicate(view)) continue;',
    to: '',
    changes: { filter: 4 },
  },
  'a byte is altered on its way': {
    rule: 'C5',
    file: 'shards/shard-end.js',
    from: 'record.copy(bytes, at + recordOffset, offset, offset + length);',
    to: `record.copy(bytes, at + recordOffset, offset, offset + length);
        if (sequence % 20 === 7 && bytes[at + recordOffset + length - 3] === 0x20) bytes[at + recordOffset + length - 3] = 0x21;`,
  },
  'events are delivered before the commit': {
    rule: 'C3',
    file: 'shards/shard.js',
    from: 'const { desk } = this; if (desk !== undefined) worked = this.#decide(desk);',
    to: `if (batch.handled > 0) {
                const { sequences, length } = batch;
                const own = Array.from({ length }, (_, i) => sequences[i]);
                for (let i = 0; i < length; i++) if (own[i] > 0) sequences[i] = this.#log.head + own[i];
                this.#delivery.deliver(batch, this.delivered);
                for (let i = 0; i < length; i++) sequences[i] = own[i];
                this.#ringDoorbells();
                Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30);
            }
            const { desk } = this; if (desk !== undefined) worked = this.#decide(desk);`,
    edits: [
      {
        file: 'shards/shard.js',
        from: 'counters[ShardCounter.delivered] += this.#delivery.deliver(batch, this.delivered); batch.release();',
        to: 'batch.release();',
      },
    ],
    faults: ['kill', 'shard'],
    ms: 12_000,
  },
  'a subscription begins one event too late': {
    rule: 'C4',
    file: 'endpoint/subscribe/placement.js',
    from: SUBSCRIBED,
    to: 'progress.received = positions[shard] + (from.after === undefined ? 0 : 1);',
    faults: ['client', 'disconnect'],
  },
  'a subscription begins one event too early': {
    rule: 'C4',
    file: 'endpoint/subscribe/placement.js',
    from: SUBSCRIBED,
    to: 'progress.received = Math.max(0, positions[shard] - (from.after === undefined ? 0 : 1));',
    faults: ['client', 'disconnect'],
  },
  'a gap is not told': {
    rule: 'C4',
    file: 'endpoint/subscribe/subscription.js',
    from: 'notifyGap(gap) {',
    to: 'notifyGap(gap) { return;',
    changes: { hasShort: true, kept: 10, pace: 4 },
    faults: ['client'],
    ms: 10_000,
  },
  'a gap is told where there is none': {
    rule: 'C4',
    file: 'endpoint/subscribe/placement.js',
    from: SUBSCRIBED,
    to: `progress.received = positions[shard];
            if (from.after !== undefined && positions[shard] > 1) {
                subscription.notifyGap({ shard, from: positions[shard] + 1, to: positions[shard] + 3, reason: 'pruned' });
            }`,
    faults: ['client', 'disconnect'],
  },
};
