import { judge } from '../../fuzz/checker/judge.js';

/** Histories of a run that are made by hand, for the judge of the checker. */

export type Line = unknown[];
export type Stored = [
  shard: number,
  sequence: number,
  id: string,
  topic: string,
  digest: number,
  dead?: object,
];

/** One event: it is published, stored and delivered as itself. */
export interface Told {
  readonly id: string;
  readonly topic: string;
  readonly sequence: number;
}

export const EPOCH = 'one';
export const DIGEST = 7;

const told = (count: number, client = 'a'): Told[] =>
  Array.from({ length: count }, (_, n) => ({ id: `${client}-${n}`, topic: 't', sequence: n + 1 }));

/** A run in which a publisher published events, a reader got them, and somebody asked for the newest. */
export class Run {
  readonly events: Told[];
  readonly publisher: Line[] = [];
  readonly reader: Line[] = [];
  readonly asker: Line[] = [];
  readonly member: Line[] = [];
  readonly nemesis: Line[] = [];
  readonly scheduler: Line[] = [];
  replay: Stored[];
  heads = [0];
  pruned: { pattern: string; kept: number }[] = [];
  losesPower = false;
  operation = 0;
  at = 1000;

  constructor(events = told(6)) {
    this.events = events;
    this.replay = events.map(({ id, topic, sequence }) => [0, sequence, id, topic, DIGEST]);
    this.heads = [events.length];
    for (const event of events) this.publish(event);
    this.reader.push([++this.at, 1, 'invoke', 'subscribe', subscribing('earliest')]);
    this.reader.push([++this.at, 1, 'ok']);
    for (const event of events) this.reader.push(this.delivery(event));
  }

  publish(
    { id, topic, sequence }: Told,
    more: object = {},
    ack: Line | undefined = undefined,
  ): void {
    const operation = ++this.operation;
    const events = [[id, topic, 'fact', DIGEST]];
    this.publisher.push([
      ++this.at,
      operation,
      'invoke',
      'publish',
      { events, durability: 'synced', ...more },
    ]);
    const acks = [ack ?? [0, sequence, 'synced', 0]];
    this.publisher.push([++this.at, operation, 'ok', { epoch: EPOCH, acks }]);
  }

  delivery({ id, topic, sequence }: Told, operation = 1): Line {
    return [++this.at, operation, 'event', 0, sequence, id, topic, DIGEST];
  }

  /** The last entry of a publish becomes another. */
  outcome(n: number, ...entry: Line): void {
    this.publisher[2 * n + 1] = [this.publisher[2 * n + 1]![0], n + 1, ...entry];
  }

  ask(answer: readonly Told[], asked: object = { reverse: true, limit: 3 }): void {
    const operation = ++this.operation;
    const query = { topic: 't', ...asked };
    this.asker.push([++this.at, operation, 'invoke', 'query', query]);
    const events = answer.map(({ id, topic, sequence }) => [0, sequence, id, topic, DIGEST]);
    this.asker.push([++this.at, operation, 'ok', { events }]);
  }

  job(of: Told, lease: number, said: { kind: string; outcome: string } | undefined): void {
    const operation = ++this.operation;
    const { id, topic, sequence } = of;
    const job = {
      consumer: topic.split('.')[0],
      id,
      topic,
      key: 'k',
      shard: 0,
      sequence,
      lease,
      attempt: 1,
    };
    this.member.push([++this.at, operation, 'invoke', 'job', job]);
    if (said === undefined) return;
    this.member.push([++this.at, operation, 'say', said.kind]);
    this.member.push([++this.at, operation, said.outcome]);
  }

  async problems(): Promise<string[]> {
    const { publisher, reader, asker, member, nemesis, scheduler } = this;
    const histories = Object.entries({
      publisher,
      reader,
      asker,
      member,
      nemesis,
      scheduler,
    }).map(([name, lines]) => ({ name, lines: () => lines }));
    const terms = {
      epoch: EPOCH,
      shards: 1,
      pruned: this.pruned,
      mayEnd: ['closed'],
      order: 'key',
      losesPower: this.losesPower,
      letters: 'dead',
      attemptsMax: 3,
    };
    const replay = { heads: this.heads, events: this.replay };
    return (await judge({ histories, replay, terms } as Parameters<typeof judge>[0])).problems;
  }
}

export const subscribing = (from: string, filter: object = { topics: ['*'] }) => ({
  as: 'reader',
  filter,
  from,
});

/** A job is published, stored, and seen by the reader. */
export function withJob(run: Run, job: Told): void {
  run.publish(job);
  run.replay.push([0, job.sequence, job.id, job.topic, DIGEST]);
  run.heads = [job.sequence];
  run.reader.push(run.delivery(job));
}
