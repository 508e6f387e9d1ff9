/** Faults in what comes at its time (publishes that wait, schedules), in dead letters, and in answers to queries. */
const DUE = 'shards/later/due-events.js';
const COURIER = 'main/consumers/letter-courier.js';
const QUERY = 'endpoint/read/query.js';
const PUBLISH_LETTER =
  'await this.#bus.publishLetter(readLetter(letter, shard, sender.name, sender.topic));';

/** @type {Record<string, import('../plants.js').Plant>} */
export const plants = {
  'a publish that waits comes too early': {
    rule: 'C4',
    file: DUE,
    from: 'const { now } = this; for (const publish of',
    to: 'const now = this.now + 400; for (const publish of',
  },
  'a publish that waits is forgotten': {
    rule: 'C1',
    file: DUE,
    from: 'this.#scheduled.remove(number); batch.takeDue(record);',
    to: 'this.#scheduled.remove(number); if (number % 5 !== 0) batch.takeDue(record);',
  },
  'a cancelled publish comes all the same': {
    rule: 'C2',
    file: 'shards/later/waiting-commands.js',
    from: 'scheduled.remove(one);',
    to: '',
  },
  'a schedule leaves out a due time': {
    rule: 'C1',
    file: 'shards/later/shard-schedules.js',
    from: 'return { dueAt, record };',
    to: 'if (fired % 3 === 2) continue; return { dueAt, record };',
    ms: 8000,
  },
  'a dead event has no letter': {
    rule: 'C7',
    file: COURIER,
    from: PUBLISH_LETTER,
    to: '',
  },
  'a letter comes twice': {
    rule: 'C7',
    file: COURIER,
    from: PUBLISH_LETTER,
    to: `${PUBLISH_LETTER}
            const again = { ...letter, times: letter.times + 1 };
            await this.#bus.publishLetter(readLetter(again, shard, sender.name, sender.topic));`,
  },
  'an event dies one attempt too early': {
    rule: 'C7',
    file: 'consumers/endings.js',
    from: 'open.attempts[slot] >= this.definition.maxAttempts',
    to: 'open.attempts[slot] >= this.definition.maxAttempts - 1',
  },
  'the newest event of a topic is left out if it came meanwhile': {
    rule: 'C1',
    file: QUERY,
    from: 'until: Number.MAX_SAFE_INTEGER,',
    to: 'until,',
    changes: { pace: 4 },
  },
  'an event is not found by its id': {
    rule: 'C1',
    file: QUERY,
    from: 'yield new ShardPage(shard, page, decoder);',
    to: `yield new ShardPage(shard, page, decoder, ({ sequence }) =>
                    id === undefined || sequence % 3 > 0);`,
  },
  'a page begins too late': {
    rule: 'C4',
    file: QUERY,
    from: 'const after = positions[shard] ?? 0;',
    to: 'const after = (positions[shard] ?? 0) + (cursor === undefined ? 0 : 20);',
    changes: { pace: 4 },
    ms: 8000,
  },
};
