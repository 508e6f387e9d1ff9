/**
 * Faults of what counts as consumed, as flushed and as over, and of the clock.
 *
 * @type {import('../plants.js').Plants}
 */
export const positionPlants = {
  'an event counts as consumed when it is handed out': {
    edits: [
      {
        file: 'endpoint/subscribe/event-queue.js',
        from: 'this.#currentSize = this.#sizes.shift(); return event;',
        to: 'this.#currentSize = this.#sizes.shift(); this.settle(); return event;',
      },
    ],
  },
  'a repeat of a written event is not flushed': {
    adr: '0010',
    edits: [
      {
        file: 'shards/link-acks.js',
        from: 'if (synced && !isFlushed) batch.synced = true; const kind',
        to: 'const kind',
      },
    ],
  },
  'history shows what is not flushed yet': {
    adr: '0010',
    edits: [
      {
        file: 'endpoint/read/history-source.js',
        from: 'const until = Math.min(request.until ?? head, head);',
        to: 'const { until } = request;',
      },
    ],
  },
  'events are delivered before they are flushed': {
    adr: '0010',
    edits: [
      {
        file: 'store/sqlite/connection/write-connection.js',
        from: 'if (!this.#isFlushed) this.#flusher?.flush(); this.#isFlushed = true;',
        to: 'this.#isFlushed = true;',
      },
    ],
  },
  'a cursor from beyond the head is believed': {
    edits: [
      {
        file: 'endpoint/read/history-source.js',
        from: 'if (isKnown)',
        to: 'if (positions.length === this.#ends.length)',
      },
    ],
  },
  'a clock that is put forward is believed at once': {
    adr: '0012',
    edits: [
      {
        file: 'shards/recording-clock.js',
        from: 'if (stepMs > CLOCK_STEP_MS && !this.#hasSlept(stepMs, elapsed)) {',
        to: 'if (false) {',
      },
    ],
  },
  'the next thread believes a clock at once': {
    adr: '0012',
    edits: [
      {
        file: 'shards/recording-clock.js',
        from: 'if (kept[IS_KEPT] !== 0) {',
        to: 'if (false) {',
      },
    ],
  },
  'a drain does not wait for deliveries': {
    edits: [
      {
        file: 'endpoint/endpoint.js',
        from: "await Promise.all(live.map((one) => one.call('sync', () => ({})))); await this.#subscriptions.whenConsumed(heads);",
        to: '',
      },
    ],
  },
  'a drain does not wait for subscriptions that are behind': {
    edits: [
      {
        file: 'endpoint/subscribe/subscription.js',
        from: 'this.#pump.isIdle && !this.progress.some(isBehind)',
        to: 'this.#pump.isIdle',
      },
    ],
  },
  'a drain waits for no publishes': {
    edits: [
      {
        file: 'endpoint/endpoint.js',
        from: 'await this.acknowledged(); const heads = this.#heads;',
        to: 'const heads = this.#heads;',
      },
    ],
  },
  'a drain is not looked at again when the watermark moves': {
    edits: [
      {
        file: 'endpoint/subscribe/subscription.js',
        from: 'recheckWaiters() { this.#pump.recheck(); }',
        to: 'recheckWaiters() { }',
      },
    ],
  },
};
