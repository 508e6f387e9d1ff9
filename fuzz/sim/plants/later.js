/**
 * Faults of publishes that wait for their time, and of schedules.
 *
 * @type {import('../plants.js').Plants}
 */
export const laterPlants = {
  'what is due is removed in a later commit than its event is stored': {
    adr: '0063',
    edits: [
      {
        file: 'shards/later/due-events.js',
        from: 'this.#scheduled.remove(number); batch.takeDue(record);',
        to: '(this.gone ??= []).push(number); batch.takeDue(record);',
      },
      {
        file: 'shards/later/due-events.js',
        from: 'this.schedules.committed();',
        to: 'this.schedules.committed(); for (const one of this.gone?.splice(0) ?? []) this.#scheduled.remove(one);',
      },
    ],
  },
  'a shard sleeps on when something is due': {
    adr: '0063',
    edits: [
      {
        file: 'shards/shard.js',
        from: 'const due = this.due?.idleMs(longest) ?? longest;',
        to: 'const due = longest;',
      },
    ],
  },
  'what waits is due by a clock that has just been put forward': {
    adr: '0063',
    edits: [
      {
        file: 'shards/recording-clock.js',
        from: 'return Math.min(this.now(), Math.floor(this.#wall));',
        to: 'this.now(); return Math.floor(this.#wall);',
      },
    ],
  },
  'what is due at once comes in the wrong order': {
    adr: '0063',
    edits: [
      {
        file: 'shards/later/due-events.js',
        from: 'this.#scheduled.due(now, most)',
        to: 'this.#scheduled.due(now, most).reverse()',
      },
    ],
  },
  'a schedule that has moved does not know what it has done elsewhere': {
    adr: '0064',
    edits: [
      {
        file: 'shards/later/shard-schedules.js',
        from: 'handledUntil: Math.max(stored.handledUntil, done.handledUntil),',
        to: 'handledUntil: stored.handledUntil,',
      },
    ],
  },
  'how far a schedule is done is not stored with its event': {
    adr: '0064',
    edits: [
      {
        file: 'shards/later/shard-schedules.js',
        from: 'this.#scheduled.putSchedule(stored);',
        to: 'void stored;',
      },
    ],
  },
};
