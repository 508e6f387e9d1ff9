/**
 * Faults of what follows the death of a thread.
 *
 * @type {import('../plants.js').Plants}
 */
export const restartPlants = {
  'a subscription is forgotten when a thread is replaced': {
    adr: '0003',
    edits: [
      {
        file: 'endpoint/subscribe/placement.js',
        from: 'if (!isAsked(progress)) return; if (progress.isLive)',
        to: 'return; if (progress.isLive)',
      },
    ],
  },
  'publishes are given back before they are acknowledged': {
    adr: '0003',
    edits: [
      {
        file: 'shards/shard.js',
        from: 'batch.acknowledge(); this.due?.committed();',
        to: 'for (const link of this.links) link.releasePublishes(); batch.acknowledge(); this.due?.committed();',
      },
    ],
  },
  'a thread that takes less than the one before forgets what that had read': {
    adr: '0003',
    edits: [
      {
        file: 'shards/publish-intake.js',
        from: 'if (((ring.position - ring.mark) | 0) > 0) ring.mark = ring.position;',
        to: 'ring.mark = ring.position;',
      },
    ],
  },
  'a batch that was being refused is stored by the next thread': {
    adr: '0010',
    edits: [
      {
        file: 'shards/recovery.js',
        from: 'const isRefused = this.#refusal !== NOT_REFUSED;',
        to: 'const isRefused = false;',
      },
    ],
  },
  'a hand-over of history is sent again to the next thread': {
    adr: '0004',
    edits: [
      {
        file: 'endpoint/subscribe/history.js',
        from: "if (!(error instanceof BusError && error.code === 'SHARD_RESTARTED')) throw error;",
        to: "if (!(error instanceof BusError && error.code === 'SHARD_RESTARTED')) throw error; return handOver(end, { number }, progress, notifyGap);",
      },
    ],
  },
  'calls are not sent again when a thread is replaced': {
    adr: '0003',
    edits: [
      {
        file: 'endpoint/links/control-sender.js',
        from: 'for (const id of open) this.#sendOrKeep(id);',
        to: '',
      },
    ],
  },
  'credit that was owed is paid to the next thread too': {
    adr: '0004',
    edits: [
      {
        file: 'endpoint/subscribe/placement.js',
        from: 'progress.owedEvents = 0; progress.owedBytes = 0;',
        to: '',
      },
    ],
  },
  'the next thread waits for members that have departed': {
    adr: '0052',
    edits: [
      {
        file: 'shards/consumers/desk.js',
        from: 'this.claims.departed(end);',
        to: '',
      },
    ],
  },
  'who has no time asks for no other round': {
    adr: '0032',
    edits: [
      {
        file: 'handout/dispatcher.js',
        from: 'this.#waiting.add(one); this.#again();',
        to: 'this.#waiting.add(one);',
      },
    ],
  },
  'a worker is not told which readers have ended': {
    adr: '0037',
    edits: [
      {
        file: 'endpoint/read/reader-ports.js',
        from: 'if (this.#readers.delete(reader)) this.#ended.add(reader.thread); reader.calls.fail(reader.gone);',
        to: 'if (this.#readers.delete(reader)) this.#ended.add(reader.thread);',
      },
    ],
  },
};
