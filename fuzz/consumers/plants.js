/**
 * Faults to build into a copy of the server. The judge has to find each, by the rule that is named: a judge that finds
 * none would not find the fault that nobody planted. `from` stands once in the built file, but for white space.
 */
export const plants = {
  'an acked event comes again': {
    rule: 'acked once',
    file: 'consumers/endings.js',
    from: 'this.#ledger.laneOf(slot).acked++; this.#ledger.remove(slot);',
    to: 'this.#ledger.laneOf(slot).acked++; if (open.sequence[slot] % 20 > 0 || open.attempts[slot] > 1) this.#ledger.remove(slot); else { this.#ledger.endLease(slot); this.#ledger.putBack(slot); }',
  },
  'a failed event is forgotten': {
    rule: 'lost',
    file: 'consumers/endings.js',
    from: "else if (kind === 'nak') this.#retry",
    to: "else if (kind === 'nak' && open.sequence[slot] % 5 === 0) this.#ledger.remove(slot); else if (kind === 'nak') this.#retry",
  },
  'keys go side by side': {
    rule: 'order',
    file: 'shards/consumers/desk-consumer.js',
    from: 'this.machine.read(lane, sequence, this.#keyOf(view));',
    to: 'this.machine.read(lane, sequence, undefined);',
  },
  'a failed event lets the next of its key pass': {
    rule: 'order',
    file: 'consumers/endings.js',
    from: 'this.#ledger.endLease(slot); if (kind ===',
    to: "this.#ledger.endLease(slot); if (kind === 'nak') { const next = this.#ledger.chains.remove(slot); if (next >= 0) this.#ledger.makeReady(next); } if (kind ===",
  },
  'the death of a member costs nothing': {
    rule: 'attempts',
    file: 'consumers/endings.js',
    from: "if (end === 'died') this.#ledger.addLoss(slot, this.definition.leaseMs);",
    to: "if (end === 'died') this.#ledger.open.attempts[slot]--;",
  },
  'the death of the server costs nothing': {
    rule: 'attempts',
    file: 'consumers/lane.js',
    from: 'writer.addLeased(at, attempts[slot],',
    to: 'writer.addLeased(at, 0,',
  },
  'a hand-back costs one': {
    rule: 'attempts',
    file: 'consumers/endings.js',
    from: "if (kind === 'hand-back') open.attempts[slot]--;",
    to: '',
  },
  'letters give another reason': {
    rule: 'letter',
    file: 'main/consumers/letters.js',
    from: '{ deadReason: cutToBytes(reason, ATTRIBUTE_VALUE_BYTES_MAX) }',
    to: "{ deadReason: 'unknown' }",
  },
  'some dead events have no letter': {
    rule: 'letter',
    file: 'consumers/endings.js',
    from: 'this.#decisions.dead(lane,',
    to: 'if (open.sequence[slot] % 4 > 0) this.#decisions.dead(lane,',
  },
};
