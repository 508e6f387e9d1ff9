/** Faults between threads: rings, credit, wake-ups, the death of a shard, leases. */
const SHARD = 'shards/shard.js';
const SMALL_RINGS = { bus: { ringBytes: 4096, shards: 1 }, pace: 4 };

/** @type {Record<string, import('../plants.js').Plant>} */
export const plants = {
  'the ring is released before the commit': {
    rule: 'C6',
    file: SHARD,
    from: 'const { desk } = this; if (desk !== undefined) worked = this.#decide(desk);',
    to: `for (const link of batch.links) link.releasePublishes();
            const { desk } = this; if (desk !== undefined) worked = this.#decide(desk);`,
    // In a small ring the released records would soon be written over, which is another plant.
    changes: { bus: { ringBytes: 4 * 1024 * 1024 } },
    faults: ['shard'],
    ms: 8000,
  },
  'the ring is read while it is written anew': {
    rule: 'C5',
    file: SHARD,
    from: 'const { desk } = this; if (desk !== undefined) worked = this.#decide(desk);',
    to: `for (const link of batch.links) link.releasePublishes();
            this.#ringDoorbells();
            if (batch.handled > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
            const { desk } = this; if (desk !== undefined) worked = this.#decide(desk);`,
    changes: SMALL_RINGS,
  },
  'a grant of credit is skipped': {
    rule: 'C6',
    file: 'endpoint/links/control-sender.js',
    from: 'credit(subscription, events, bytes) { const records = this.#records;',
    to: 'credit(subscription, events, bytes) { const records = this.#records; if (Math.random() < 0.3) return true;',
    changes: { pace: 4 },
    ms: 8000,
  },
  'credit is lost where the ring is full': {
    rule: 'C6',
    file: 'endpoint/links/control-sender.js',
    from: 'this.#unpaid.add(subscription); return false;',
    to: 'return true;',
    // The ring of calls is so large that it is never full, unless it is small and the shard stands still.
    edits: [
      {
        file: 'link/link.js',
        from: 'controlRing: createRing(CONTROL_RING_BYTES)',
        to: 'controlRing: createRing(256)',
      },
      {
        file: SHARD,
        from: 'const { desk } = this; if (desk !== undefined) worked = this.#decide(desk);',
        to: `if (batch.handled > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 40);
            const { desk } = this; if (desk !== undefined) worked = this.#decide(desk);`,
      },
    ],
    changes: {
      ...SMALL_RINGS,
      maxBuffer: 8,
      hosts: ['subject', 'sockets-1', 'sockets-2', 'http'],
    },
    ms: 8000,
  },
  'a wake-up is lost': {
    rule: 'C6',
    file: SHARD,
    from: 'for (const subscription of link.waiting) this.wake(subscription); link.waiting.clear();',
    to: 'link.waiting.clear();',
    changes: SMALL_RINGS,
    ms: 8000,
  },
  'a large record goes to the wrong receiver of the port': {
    rule: 'C6',
    file: 'ring/buffer-inbox.js',
    from: 'this.#channels.get(bytes.readInt32LE(BUFFER_CHANNEL))?.(bytes);',
    to: `const channel = bytes.readInt32LE(BUFFER_CHANNEL);
        this.#channels.get(Math.random() < 0.1 ? [...this.#channels.keys()].find((one) => one !== channel) ?? channel : channel)?.(bytes);`,
    changes: SMALL_RINGS,
  },
  'a subscription is forgotten when its shard dies': {
    rule: 'C6',
    file: 'endpoint/subscribe/placement.js',
    from: 'if (!isAsked(progress)) return; if (progress.isLive)',
    to: 'if (isAsked(progress)) return; if (progress.isLive)',
    faults: ['shard'],
  },
  'acks are lost when their shard dies': {
    rule: 'C6',
    file: 'shards/recovery.js',
    from: 'const { position } = ring; link.ack({',
    to: 'const { position } = ring; if (position !== undefined) continue; link.ack({',
    faults: ['shard'],
    ms: 8000,
  },
  // Events that are published again are known by their ids, and acks of jobs are refused.
  'what a ring has had is not stored': {
    rule: 'C7',
    file: 'store/sqlite/ring-positions.js',
    from: 'write(positions) {',
    to: 'write(positions) { return;',
    faults: ['shard'],
    ms: 10_000,
  },
  'a subscription goes on one event too late when its shard dies': {
    rule: 'C4',
    file: 'endpoint/subscribe/placement.js',
    from: "progress.mode === 'history' ? 'replay' : progress.received",
    to: "progress.mode === 'history' ? 'replay' : progress.received + 1",
    faults: ['shard'],
  },
  'a lease is handed out twice': {
    rule: 'C7',
    file: 'consumers/telling.js',
    from: 'if (!isTold) return false; open.set(slot, TOLD);',
    to: `if (!isTold) return false;
            if (open.sequence[slot] % 5 !== 0 || open.attempts[slot] > 0) open.set(slot, TOLD);
            else { open.attempts[slot]++; this.#told--; }`,
  },
};
