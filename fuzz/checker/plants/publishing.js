/** Faults in what is stored, acknowledged and refused. */
const INTAKE = 'shards/publish-intake.js';

/** @type {Record<string, import('../plants.js').Plant>} */
export const plants = {
  'an ack before the commit': {
    rule: 'C1',
    file: 'shards/shard.js',
    from: 'const { desk } = this; if (desk !== undefined) worked = this.#decide(desk);',
    to: `if (batch.handled > 0) {
                const first = this.#log.head + 1;
                batch.settle({ sequenceOf: (index) => first + index, isRepeat: () => false });
                batch.acknowledge();
                this.#ringDoorbells();
                Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30);
            }
            const { desk } = this; if (desk !== undefined) worked = this.#decide(desk);`,
    edits: [
      {
        file: 'shards/shard.js',
        from: 'batch.acknowledge(); this.due?.committed();',
        to: 'this.due?.committed();',
      },
      {
        file: 'shards/batch-commit.js',
        from: 'batch.settle(committed);',
        to: '',
      },
    ],
    faults: ['kill'],
    ms: 8000,
  },
  'an ack before the flush': {
    rule: 'C1',
    by: 'power',
    file: 'store/sqlite/connection/write-connection.js',
    from: 'if (!this.#isFlushed) this.#flusher?.flush();',
    to: '',
    edits: [
      {
        file: 'store/sqlite/connection/schema.js',
        from: 'const wanted = full ? SYNCHRONOUS_FULL : SYNCHRONOUS_NORMAL;',
        to: 'const wanted = SYNCHRONOUS_NORMAL;',
      },
    ],
  },
  'an ack says less than was asked for': {
    rule: 'C1',
    file: 'endpoint/publish/pending-publish.js',
    from: 'const isWritten = kind === ACK_WRITTEN || kind === ACK_DUPLICATE_WRITTEN;',
    to: 'const isWritten = true;',
  },
  'an ack names the place of its neighbour': {
    rule: 'C3',
    file: 'shards/ack-runs.js',
    from: 'run.sequence = committed.sequenceOf(run.sequence);',
    to: 'run.sequence = committed.sequenceOf(run.sequence) + (run.sequence % 3 === 2 ? 1 : 0);',
  },
  'a sequence is used twice': {
    rule: 'C3',
    file: 'store/sqlite/consecutive-batch.js',
    from: 'return this.first + index;',
    to: 'return this.first + (index % 4 === 3 ? index - 1 : index);',
  },
  'an event is acknowledged and not stored': {
    rule: 'C1',
    file: INTAKE,
    from: 'this.#acks.hasPersisted = true; const log = this.#log;',
    to: `this.#acks.hasPersisted = true; const log = this.#log;
        if (log.head % 37 === 36 && log.head > 0) {
            this.#acks.duplicate(log.head, true, 1);
            return;
        }`,
  },
  'a refused event is stored': {
    rule: 'C2',
    file: INTAKE,
    from: 'this.#acks.refused(this.#judge.found, this.#judge.error, 1);',
    to: `this.#acks.refused(this.#judge.found, this.#judge.error, 1);
            this.#log.append(view.bytes, view.offset, recordedAt);`,
  },
  'an ephemeral event is stored': {
    rule: 'C2',
    file: INTAKE,
    from: 'this.#batch.push(view, topic, 0);',
    to: 'this.#batch.push(view, topic, 0); this.#log.append(view.bytes, view.offset, Date.now());',
  },
  'an expectation is not judged': {
    rule: 'C3',
    file: 'shards/publish-judge.js',
    from: 'if (found === expected) return true;',
    to: 'if (found >= 0) return true;',
  },
  'a group is divided': {
    rule: 'C1',
    file: INTAKE,
    from: 'const index = this.#store(view, recordedAt, this.#termsOf(terms, number), isAgain);',
    to: `if (items.length > 1 && item === items[items.length - 1]) continue;
            const index = this.#store(view, recordedAt, this.#termsOf(terms, number), isAgain);`,
    edits: [
      {
        file: INTAKE,
        from: 'this.#acks.appended(first, this.#isSynced(group), isOwnRepeat, items.length);',
        to: `this.#acks.appended(first, this.#isSynced(group), isOwnRepeat, Math.max(1, items.length - 1));
        if (items.length > 1) this.#acks.ephemeral();`,
      },
    ],
  },
  'ids count over all topics': {
    rule: 'C1',
    file: 'store/sqlite/dedupe/dedupe-key.js',
    from: 'this.#length = 0; this.#add(bytes, topicStart, topicLength);',
    to: 'this.#length = 0;',
    edits: [
      {
        file: 'store/sqlite/dedupe/dedupe-key.js',
        from: 'this.#hash(topicLength, sourceLength, idEnd - idStart, isOfSource);',
        to: 'this.#hash(0, sourceLength, idEnd - idStart, isOfSource);',
      },
    ],
  },
  'repeats are not recognised': {
    rule: 'C3',
    file: 'store/sqlite/dedupe/dedupe-window.js',
    from: 'const entry = this.#entryOf(view); if (entry < this.#firstHeld) return 0;',
    to: 'return 0; const entry = this.#entryOf(view); if (entry < this.#firstHeld) return 0;',
  },
  'ids are forgotten at a restart': {
    rule: 'C3',
    file: 'store/sqlite/dedupe/dedupe-window.js',
    from: 'if (this.idsMax === 0) return; if (this.size >= this.idsMax + beyond)',
    to: 'if (this.idsMax >= 0) return; if (this.size >= this.idsMax + beyond)',
    faults: ['kill'],
    ms: 8000,
  },
  'a byte is altered before it is stored': {
    rule: 'C5',
    file: INTAKE,
    from: 'const index = log.append(view.bytes, view.offset, recordedAt, terms, isAgain);',
    to: `if (log.head % 10 === 7) {
            // {"id":"…
            const { payloadBytes } = view;
            if (payloadBytes[2] === 0x69) payloadBytes[7] ^= 1;
        }
        const index = log.append(view.bytes, view.offset, recordedAt, terms, isAgain);`,
  },
  'a payload is written anew': {
    rule: 'C5',
    file: 'protocol/payload.js',
    from: 'const given = givenPayloadText(input);',
    to: 'const given = undefined;',
  },
  'retention removes too much': {
    rule: 'C1',
    file: 'store/sqlite/retention/rule-sweep.js',
    from: 'events > maxEvents || bytes > maxBytes; if (!isOver',
    to: 'events > maxEvents / 2 || bytes > maxBytes; if (!isOver',
    changes: { hasShort: true, kept: 40, pace: 4 },
    ms: 8000,
  },
  'a publisher is overtaken by itself': {
    rule: 'C3',
    file: 'gateway/websocket/requests.js',
    from: 'const acks = await this.#acksOf(payload, events);',
    to: `if (Math.random() < 0.5) await new Promise((resolve) => setTimeout(resolve, 60));
        const acks = await this.#acksOf(payload, events);`,
  },
  'a query ends before the head': {
    rule: 'C1',
    file: 'endpoint/read/query.js',
    from: 'const heads = this.#ends.map(({ control }) => control.head);',
    to: 'const heads = this.#ends.map(({ control }) => Math.max(0, control.head - 40));',
  },
};
