/**
 * What a process under test says it does, line by line in a file, so that it is known also of one that was killed. The
 * lines are JSON arrays; those of `disk.c` are among them.
 */
export class Ledger {
  /** By id: what was published. */
  attempts = new Map();
  acks = new Map();
  refusals = new Map();
  /** Handed to a subscription, acknowledged or not: an event that somebody has seen. */
  seen = new Map();
  /** Patterns that were pruned, or were about to be. */
  pruned = [];
  backups = [];
  /** The call that a fault met. */
  hit;
  /** What went wrong besides, and how far it got. */
  errors = [];
  stages = [];
  /** Of the bus that is open. */
  epoch;
  #rest = '';

  /** With what a whole directory held, as one that has seen it (`observe.js`). */
  static of({ epoch, shards }) {
    const ledger = new Ledger();
    for (const event of shards.flatMap(({ events }) => events)) {
      const { id, topic, payload, shard, sequence } = event;
      ledger.attempts.set(id, { topic, digest: payload, order: ledger.attempts.size });
      ledger.acks.set(id, { shard, sequence, durability: 'synced', epoch });
    }
    return ledger;
  }

  /** Takes text as it comes, in pieces of any size. */
  add(text) {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) if (line.startsWith('[')) this.#take(JSON.parse(line));
    return this;
  }

  get isOpen() {
    return this.epoch !== undefined;
  }

  #take([kind, ...rest]) {
    switch (kind) {
      case 'open':
        this.epoch = rest[0];
        break;
      case 'attempt': {
        const [id, topic, digest] = rest;
        this.attempts.set(id, { topic, digest, order: this.attempts.size });
        break;
      }
      case 'ack': {
        const [id, shard, sequence, durability] = rest;
        this.acks.set(id, { shard, sequence, durability, epoch: this.epoch });
        break;
      }
      case 'refused':
        this.refusals.set(rest[0], rest[1]);
        break;
      case 'seen': {
        const [id, shard, sequence] = rest;
        this.seen.set(id, { shard, sequence, epoch: this.epoch });
        break;
      }
      case 'prune':
        this.pruned.push(rest[0]);
        break;
      case 'backup':
        this.backups.push({ dir: rest[0], heads: rest[1], epoch: this.epoch });
        break;
      case 'hit':
        this.hit = `${rest[0]} of ${rest[1].split('/').at(-1)}`;
        break;
      case 'error':
        this.errors.push(rest.join(' '));
        break;
      case 'stage':
        this.stages.push(rest[0]);
    }
  }
}
