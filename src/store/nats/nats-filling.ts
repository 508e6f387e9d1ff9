/** Fills the streams of a store with the events of another one. See docs/adr/0087. */
import type { FilledEvent, FillRequest, StoreFilling } from '../filling.js';
import { damaged, unseal } from '../shared/sealed-record.js';
import { assertFillable } from '../shared/shared-store.js';
import { readCharter, writeCharter } from './charter.js';
import { ensureConsumerStream } from './consumers/consumer-stream.js';
import { closedError } from './nats-faults.js';
import { NatsLink } from './nats-link.js';
import type { NatsSettings } from './nats-options.js';
import { assertJetStream, type Opened, openHistory } from './opening.js';
import { StreamReader } from './reader.js';
import { StreamFiller } from './stream-filler.js';
import { streamReach } from './streams.js';
import { Subjects, streamName } from './subjects.js';

export async function fillNats(
  settings: NatsSettings,
  request: FillRequest,
): Promise<StoreFilling> {
  const { prefix } = settings;
  const link = await NatsLink.open(settings, `millrace ${prefix} copy`, false);
  try {
    await assertJetStream(link);
    const opened = await openHistory(link, settings, request, true);
    await ensureConsumerStream(link, settings, opened.replicas);
    const filling = new NatsFilling(link, settings, opened, await headsOf(link, settings, opened));
    const where = `the store ${prefix} on NATS`;
    await changeNote(link, prefix, (filledFrom) => {
      assertFillable(where, filledFrom, request.history, filling.heads);
      return request.history;
    });
    return filling;
  } catch (error) {
    await link.close();
    throw error;
  }
}

/** Writes into the charter whose history is copied; `undefined`: none. */
async function changeNote(
  link: NatsLink,
  prefix: string,
  change: (filledFrom: string | undefined) => string | undefined,
): Promise<void> {
  for (;;) {
    const stored = await readCharter(link, prefix);
    if (stored === undefined) throw closedError();
    const { charter, revision } = stored;
    const filledFrom = change(charter.filledFrom);
    if (await writeCharter(link, prefix, { ...charter, filledFrom }, revision)) return;
  }
}

async function headsOf(
  link: NatsLink,
  { prefix }: NatsSettings,
  { created }: Pick<Opened, 'created'>,
): Promise<number[]> {
  const reaches = created.map((_, shard) => streamReach(link, streamName(prefix, shard)));
  return (await Promise.all(reaches)).map(({ head }) => head);
}

class NatsFilling implements StoreFilling {
  readonly shards: number;
  readonly shardBy: StoreFilling['shardBy'];
  readonly heads: readonly number[];
  readonly #link: NatsLink;
  readonly #settings: NatsSettings;
  readonly #created: readonly string[];
  readonly #readers: readonly StreamReader[];
  readonly #fillers: readonly StreamFiller[];

  constructor(
    link: NatsLink,
    settings: NatsSettings,
    { shards, shardBy, created }: Opened,
    heads: readonly number[],
  ) {
    this.shards = shards;
    this.shardBy = shardBy;
    this.heads = heads;
    this.#link = link;
    this.#settings = settings;
    this.#created = created;
    const { prefix } = settings;
    const places = created.map(
      (_, shard) => [streamName(prefix, shard), new Subjects(prefix, shard)] as const,
    );
    this.#readers = places.map(([name, subjects]) => new StreamReader(link, name, subjects));
    this.#fillers = places.map(([name, subjects]) => new StreamFiller(link, name, subjects));
  }

  async read(shard: number, after: number, until: number): Promise<readonly FilledEvent[]> {
    const entries = await this.#readers[shard]!.read(after, until);
    return entries.map(({ sequence, recordedAt, bytes }) => {
      const record = unseal(bytes);
      if (record === undefined) throw damaged(shard, sequence);
      return { recordedAt, bytes: record };
    });
  }

  append(shard: number, head: number, events: readonly FilledEvent[]): Promise<void> {
    return this.#fillers[shard]!.append(head, events);
  }

  /** The server has acknowledged all of them already. */
  settle(): Promise<readonly number[]> {
    return headsOf(this.#link, this.#settings, { created: this.#created });
  }

  end(): Promise<void> {
    return changeNote(this.#link, this.#settings.prefix, () => undefined);
  }

  close(): Promise<void> {
    return this.#link.close();
  }
}
