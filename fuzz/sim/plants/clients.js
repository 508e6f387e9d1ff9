/**
 * Faults of clients, of a gateway's sessions, and of the connections between them.
 *
 * @type {import('../plants.js').Plants}
 */
export const clientPlants = {
  'a client goes on from what it has consumed, and keeps what waits': {
    edits: [
      {
        file: 'client/subscription.js',
        from: 'return reached === undefined ? this.#from : { after: reached };',
        to: 'return reached === undefined ? this.#from : { after: this.cursor };',
      },
      {
        file: 'client/intake.js',
        from: 'return sequence === undefined || sequence > this.#arrived.positions[shard];',
        to: 'return true;',
      },
    ],
  },
  'a client begins anew after each connection': {
    edits: [
      {
        file: 'client/subscription.js',
        from: 'return reached === undefined ? this.#from : { after: reached };',
        to: 'return this.#from;',
      },
    ],
  },
  'a position is reached before its events have come': {
    edits: [
      {
        file: 'client/intake.js',
        from: 'this.#checkEvents(events, cursor); const chars',
        to: 'this.#checkEvents(events, cursor); this.reach(cursor); const chars',
      },
    ],
  },
  'publishes in flight are forgotten with their connection': {
    edits: [{ file: 'client/outbox.js', from: 'else waiting.push(entry);', to: '' }],
  },
  'publishes in flight go behind those that wait': {
    edits: [
      {
        file: 'client/outbox.js',
        from: 'for (const entry of this.#waiting) waiting.push(entry); this.#waiting = waiting; this.#waiters.wake();',
        to: 'const later = [...waiting]; waiting.clear(); for (const entry of [...this.#waiting, ...later]) waiting.push(entry); this.#waiting = waiting; this.#waiters.wake();',
      },
    ],
  },
  'an ephemeral publish is sent a second time': {
    edits: [
      {
        file: 'client/outbox.js',
        from: 'else if (entry.frame.isEphemeral) {',
        to: 'else if (false) {',
      },
    ],
  },
  'a window that was full is not opened': {
    edits: [
      {
        file: 'gateway/subscription-feed.js',
        from: 'if (!this.#isWindowFull) this.#openWindow();',
        to: '',
      },
    ],
  },
  'events go out before their subscription is announced': {
    edits: [
      {
        file: 'gateway/subscription-feed.js',
        from: 'if (!this.#isAnnounced) { // A gap',
        to: 'if (false) { // A gap',
      },
    ],
  },
  'a principal that was held up is not read again': {
    edits: [
      {
        file: 'threads/work-shares.js',
        from: 'this.#beginSlice(); this.#isWaiting = false; this.#tell();',
        to: 'this.#beginSlice(); this.#isWaiting = false;',
      },
    ],
  },
  'frames of one turn are flushed with the next': {
    edits: [
      {
        file: 'gateway/websocket/feed-frames.js',
        from: 'this.#isFlushDue = true; this.#outbound.flushAtEndOfTurn(this);',
        to: 'this.#isFlushDue = this.#batch.length > 1; if (this.#isFlushDue) this.#outbound.flushAtEndOfTurn(this);',
      },
    ],
  },
  'a client that has lost its connection does not try again': {
    edits: [
      {
        file: 'client/reconnector.js',
        from: 'this.#timer = setTimeout(() => this.#try(), retryInMs);',
        to: '',
      },
    ],
  },
};
