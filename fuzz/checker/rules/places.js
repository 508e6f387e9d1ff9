import { Column } from './columns.js';

/**
 * Which event is at each (shard, sequence), as anybody has seen it: the publisher by its ack, the log, a subscriber, a
 * query. Rule C3: it is the same for everyone, and an event has one place. Each epoch has places of its own; those of
 * the log's epoch are what others are compared with.
 */
export class Places {
  #epochs = new Map();
  #attempts;
  #say;

  constructor(attempts, say) {
    this.#attempts = attempts;
    this.#say = say;
  }

  /** Somebody saw the event there. */
  note(epoch, shard, sequence, reference, who) {
    const attempts = this.#attempts;
    const column = this.#columnOf(epoch, shard);
    const there = column.get(sequence) - 1;
    const where = `${shard}:${sequence}`;
    if (there >= 0 && there !== reference) {
      const [one, other] = [there, reference].map((each) => attempts.nameOf(each));
      this.#say('C3', `${where} is ${other} for ${who}, and ${one} for others`);
      return;
    }
    column.set(sequence, reference + 1);
    const [before, shardBefore] = [
      attempts.get(reference, 'sequence'),
      attempts.get(reference, 'shard'),
    ];
    if (before === 0) {
      attempts.set(reference, 'shard', shard);
      attempts.set(reference, 'sequence', sequence);
    } else if (before !== sequence || shardBefore !== shard) {
      const name = attempts.nameOf(reference);
      this.#say(
        'C3',
        `${name} is at ${where} for ${who}, and at ${shardBefore}:${before} for others`,
      );
    }
  }

  /** The reference of the event at a place; `undefined` if nobody knows one. */
  at(epoch, shard, sequence) {
    const there = this.#columnOf(epoch, shard).get(sequence);
    return there === 0 ? undefined : there - 1;
  }

  /** As `at`, in the epoch, or else in any that was before it. */
  ever(epoch, shard, sequence) {
    const there = this.at(epoch, shard, sequence);
    if (there !== undefined) return there;
    for (const [key, column] of this.#epochs) {
      if (key.endsWith(` ${shard}`) && column.get(sequence) > 0) return column.get(sequence) - 1;
    }
    return undefined;
  }

  #columnOf(epoch, shard) {
    const key = `${epoch} ${shard}`;
    const known = this.#epochs.get(key);
    if (known !== undefined) return known;
    const column = new Column(Float64Array);
    this.#epochs.set(key, column);
    return column;
  }
}
