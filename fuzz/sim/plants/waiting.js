/**
 * Faults of publishers that wait for subscriptions, and of events that are removed beside readers.
 *
 * @type {import('../plants.js').Plants}
 */
export const waitingPlants = {
  'a block subscription that takes nothing stops its shard for good': {
    edits: [
      {
        file: 'shards/block-watch.js',
        from: 'if (now - (since ?? now) < this.#waitMs) return false;',
        to: 'if (now > 0) return false;',
      },
    ],
  },
  'credit wakes no shard': {
    edits: [
      {
        file: 'endpoint/links/control-sender.js',
        from: 'records.commit(CONTROL_CREDIT); this.#wakeShard();',
        to: 'records.commit(CONTROL_CREDIT);',
      },
    ],
  },
  'a block subscription is sent more than it has room for': {
    edits: [
      {
        file: 'shards/block-watch.js',
        from: 'limit = Math.min(limit, room);',
        to: '',
      },
    ],
  },
  'a subscription is ready before removals are noticed': {
    edits: [
      {
        file: 'endpoint/subscribe/placement.js',
        from: "if (subscription.ended) return; const notifyGap = typeof from === 'object'",
        to: "if (subscription.ended) return; subscription.becomeReady(); const notifyGap = typeof from === 'object'",
      },
    ],
  },
  'what is removed while history is read is not told': {
    edits: [
      {
        file: 'endpoint/subscribe/history.js',
        from: 'if (notifyGap && prunedThrough > progress.received) {',
        to: 'if (false) {',
      },
    ],
  },
  'a gap is told behind the events that follow it': {
    edits: [
      {
        file: 'endpoint/subscribe/history.js',
        from: "subscription.notifyGap({ shard: progress.shard, from, to: prunedThrough, reason: 'pruned', });",
        to: "setTimeout(() => subscription.notifyGap({ shard: progress.shard, from, to: prunedThrough, reason: 'pruned' }), 1);",
      },
    ],
  },
  'a shard passes over what was removed': {
    edits: [
      {
        file: 'shards/catch-up.js',
        from: 'if (subscription.prunedSeen === this.#log.prunedEvents) return true;',
        to: 'if (until > 0) return true;',
      },
    ],
  },
};
