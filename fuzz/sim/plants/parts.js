/**
 * Faults of how threads come, go and are told of each other: attachments, readers, gateways.
 *
 * @type {import('../plants.js').Plants}
 */
export const partPlants = {
  'an attachment forgets what it was told before it was taken up': {
    adr: '0003',
    edits: [
      {
        file: 'endpoint/main-thread.js',
        from: 'for (const notice of this.#early.splice(0)) pass(notice, listener);',
        to: 'this.#early.splice(0);',
      },
    ],
  },
  'a link that is made late speaks to the first thread': {
    adr: '0003',
    edits: [
      {
        file: 'endpoint/links/links.js',
        from: 'new ShardControl(controls[shard]), generations[shard], alive)',
        to: 'new ShardControl(controls[shard]), 1, alive)',
      },
    ],
  },
  'a thread that reads history ends though it was handed a port': {
    adr: '0037',
    edits: [
      {
        file: 'main/reader-threads.js',
        from: 'if (notice.connects < thread.connects) return;',
        to: '',
      },
    ],
  },
  'an endpoint whose reader has died waits before it asks for another': {
    adr: '0037',
    edits: [
      {
        file: 'main/reader-threads.js',
        from: 'if (ended.includes(thread.number)) this.#forget(place, thread);',
        to: '',
      },
    ],
  },
  'a gateway that has died is not started again': {
    edits: [
      {
        file: 'main/gateway-supervisor.js',
        from: 'else this.#restart(end);',
        to: '',
      },
    ],
  },
};
