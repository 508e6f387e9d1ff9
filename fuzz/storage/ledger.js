/**
 * Reads the lines in which a process under test reports its steps to a file, which outlives the process. The lines are
 * JSON arrays; `disk.c` adds its own.
 */
export class Ledger {
  /** The events that were published, by id. */
  attempts = new Map();
  acks = new Map();
  refusals = new Map();
  /** Events that were delivered to a subscription, acknowledged or not. */
  seen = new Map();
  /** Patterns that were pruned, or were about to be pruned. */
  pruned = [];
  backups = [];
  /** Ids of publishes that wait for their time. */
  waits = new Set();
  /** Of counters that grow by one with each commit, by name and shard: the last that was told, and the last begun. */
  counters = new Map();
  /** How many events of each topic a compaction leaves. */
  keep;
  /** The calls that faults met, and the last of them. */
  hits = [];
  hit;
  /** How processes ended: `signal`, `exit` or `hung`, and a number. */
  ends = [];
  /** Errors of other steps, and the stages that were reached. */
  errors = [];
  stages = [];
  /** The epoch of the bus that is open. */
  epoch;
  #rest = '';

  /** A ledger of the events that an observation (`observe.js`) has found in a directory. */
  static of({ epoch, shards }) {
    const ledger = new Ledger();
    for (const event of shards.flatMap(({ events }) => events)) {
      const { id, topic, payload, shard, sequence } = event;
      ledger.attempts.set(id, { topic, digest: payload, order: ledger.attempts.size });
      ledger.acks.set(id, { shard, sequence, durability: 'synced', epoch });
    }
    return ledger;
  }

  /** Adds text, in pieces of any size. */
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
      case 'ended':
        this.ends.push({ how: rest[0], number: rest[1] });
        break;
      case 'waits':
        this.waits.add(rest[0]);
        break;
      case 'counting':
      case 'counted':
        this.#count(kind, rest);
        break;
      case 'compact':
        this.keep = rest[0];
        break;
      case 'prune':
        this.pruned.push(rest[0]);
        break;
      case 'backup':
        this.backups.push({ dir: rest[0], heads: rest[1], epoch: this.epoch });
        break;
      case 'hit':
        this.hit = `${rest[0]} of ${rest[1].split('/').at(-1)}`;
        this.hits.push(this.hit);
        break;
      case 'error':
        this.errors.push(rest.join(' '));
        break;
      case 'stage':
        this.stages.push(rest[0]);
    }
  }

  #count(kind, rest) {
    const [name, shard, value] = rest;
    const key = `${name} ${shard}`;
    const { least = 0 } = this.counters.get(key) ?? {};
    this.counters.set(key, { name, shard, most: value, least: kind === 'counted' ? value : least });
  }
}
