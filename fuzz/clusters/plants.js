/**
 * The oracle's own test: faults to build into a copy of the nodes. The judge has to find each, under the rule that is named.
 *
 * @typedef {import('../checker/plant.js').Edit & {
 *   rule: string, on: 'nats' | 'redis', faults?: string[],
 *   edits?: import('../checker/plant.js').Edit[] }} Plant
 *   `rule`: has to find it; `on`: the broker; `faults`: those without which it does not show, none if left out
 */
const NATS_PUBLISHER = 'store/nats/publisher.js';

/** @type {Record<string, Plant>} */
export const plants = {
  'an event goes under the id of another one': {
    on: 'nats',
    rule: 'C1',
    file: NATS_PUBLISHER,
    from: 'headers.set(MSG_ID, flight.msgId);',
    to: `this.sent = (this.sent ?? 0) + 1;
        const isOther = !isProbe && this.sent % 20 === 0;
        headers.set(MSG_ID, isOther ? this.lastId : flight.msgId);
        if (!isProbe) this.lastId = flight.msgId;`,
  },
  'events go without their ids': {
    on: 'nats',
    rule: 'C3',
    file: NATS_PUBLISHER,
    from: 'headers.set(MSG_ID, flight.msgId);',
    to: 'if (isProbe) headers.set(MSG_ID, flight.msgId);',
  },
  'what came while a node was away is passed over': {
    on: 'nats',
    rule: 'C4',
    file: 'store/nats/tail.js',
    from: 'this.#delivered = 0; this.#heardAt = elapsedMs();',
    to: `this.#delivered = 0;
        this.#heardAt = elapsedMs();
        if (this.#consumedAt > 0) this.skips = 3;`,
    edits: [
      {
        file: 'store/nats/tail.js',
        from: 'this.#position = entry.sequence; this.#queue.push(entry);',
        to: `this.#position = entry.sequence;
        if (this.skips-- > 0) return;
        this.#queue.push(entry);`,
      },
    ],
    faults: ['cut'],
  },
  'some of what members say is not in the journal': {
    on: 'nats',
    rule: 'C7',
    file: 'store/nats/consumers/nats-journal.js',
    from: 'return this.#addInPieces(ENTRY, entry);',
    to: `this.entries = (this.entries ?? 0) + 1;
        return this.entries % 4 === 0 ? Promise.resolve() : this.#addInPieces(ENTRY, entry);`,
    faults: ['node'],
  },
  'Redis forgets ids': {
    on: 'redis',
    rule: 'C3',
    file: 'store/redis/append-script.js',
    from: 'do known[from + i - 1] = remembered(found[i]) end',
    to: 'do known[from + i - 1] = false end',
  },
  'an ack before the replicas have the event': {
    on: 'redis',
    rule: 'C1',
    file: 'store/redis/confirming.js',
    from: 'if (count >= replicas) break;',
    to: 'break;',
    edits: [
      {
        file: 'store/redis/confirming.js',
        from: 'const lookMs = Math.ceil(Math.min(longest, Math.max(1, until - elapsedMs())));',
        to: 'const lookMs = longest > 0 ? 1 : 0;',
      },
    ],
    // The master takes events from the nodes, and nobody has them when another one takes its place.
    faults: ['part'],
  },
};
