import { judgeLeases, judgeOrder, judgeSettledOnce } from './jobs.js';

/** Gathers what the members of consumers wrote down, job by job, and has it judged (C7). */
const OUTCOMES = { ok: 'ok', fail: 'lost', unknown: 'unknown' };

export class Members {
  deliveries = 0;
  /** When the last job was done, monotonic ns. */
  doneAt = 0;
  #jobs = new Map();
  #attempts;
  #places;
  #letters;
  #terms;
  #say;
  #sayPlain;

  constructor(terms, { attempts, places, letters, say }) {
    this.#terms = terms;
    this.#attempts = attempts;
    this.#places = places;
    this.#letters = letters;
    this.#sayPlain = say;
    this.#say = (rule, text) => say('C7', `${rule}: ${text}`);
  }

  take(name, lines) {
    const open = new Map();
    for (const [at, operation, entry, ...rest] of lines) {
      if (entry === 'invoke' && rest[0] === 'job') {
        const delivery = {
          member: name,
          at,
          lease: rest[1].lease,
          said: undefined,
        };
        this.#judgePlace(name, rest[1]);
        this.#jobOf(rest[1]).deliveries.push(delivery);
        this.deliveries++;
        open.set(operation, delivery);
      } else if (entry === 'say' && open.has(operation)) {
        open.get(operation).said = { at, kind: rest[0], outcome: 'unknown' };
      } else if (entry in OUTCOMES && open.has(operation)) {
        open.get(operation).said.outcome = OUTCOMES[entry];
        this.doneAt = Math.max(this.doneAt, at);
        open.delete(operation);
      }
    }
  }

  /** @param due all events of the log that consumers should have handed out: `{ id, shard, sequence }` */
  finish(due) {
    const jobs = [...this.#jobs.values()];
    for (const job of jobs) {
      judgeLeases(job, this.#say);
      judgeSettledOnce(job, this.#say);
    }
    judgeOrder(
      jobs.filter(({ key }) => key !== undefined),
      this.#say,
    );
    for (const event of due) this.#judgeEnd(event);
  }

  /** An event is done, or it is dead and has a letter. */
  #judgeEnd({ id, shard, sequence }) {
    const deliveries = this.#jobs.get(`${shard}:${sequence}`)?.deliveries ?? [];
    const isDead = this.#letters.has(shard, sequence);
    const said = deliveries.at(-1)?.said;
    if (isDead) {
      const isAcked = deliveries.some(
        (one) => one.said?.kind === 'ack' && one.said.outcome === 'ok',
      );
      if (isAcked) this.#say('letter', `${id} was acknowledged, and is dead`);
      return;
    }
    if (said?.kind === 'ack' && said.outcome !== 'lost') return;
    this.#say('lost', `${id} was ${deliveries.length === 0 ? 'never begun' : 'not done'}`);
  }

  #judgePlace(name, { id, topic, shard, sequence }) {
    const reference = this.#attempts.find(id, topic);
    if (reference !== undefined) {
      this.#places.note(this.#terms.epoch, shard, sequence, reference, name);
    } else this.#sayPlain('C2', `${name} got ${id} on ${topic}, which nobody tried to publish`);
  }

  #jobOf({ consumer, id, topic, key, shard, sequence }) {
    const place = `${shard}:${sequence}`;
    const known = this.#jobs.get(place);
    if (known !== undefined) {
      if (known.id !== id) this.#say('log', `${place} is ${id}, and was ${known.id}`);
      return known;
    }
    // Events of a key that lie in several shards have no order among each other.
    const order = consumer === 'jobs' ? this.#terms.order : 'none';
    const by = order === 'none' ? undefined : order === 'topic' ? topic : key;
    const job = {
      id,
      key: by === undefined ? by : `${by} of ${shard}`,
      shard,
      sequence,
      deliveries: [],
    };
    this.#jobs.set(place, job);
    return job;
  }
}
