import { randomBytes } from 'node:crypto';
import { describe, expect, onTestFinished, test } from 'vitest';
import { KIB, MIB } from '../../src/protocol/limits/units.js';
import type {
  ConsumerBroker,
  ConsumerBrokerModule,
  ConsumerJournal,
} from '../../src/store/consumer-broker.js';
import type { FreshStore } from '../../src/testing.js';
import { until } from '../bus/support/wait.js';

/** A kind of broker that keeps durable consumers. */
export interface ConsumerBrokerSubject {
  /** Makes a store on a broker, with nothing in it, of at least two shards. */
  create(): FreshStore | Promise<FreshStore>;
}

/** Opens the broker of one store, each time as one more thread of any node. */
export type OpenAgain = () => Promise<ConsumerBroker>;

/** By name, because a test and the threads of a bus may have loaded the class from different files. */
const OWNER_CHANGED = { name: 'OwnerChanged' };
const ROUNDS = 5;

/** What every `ConsumerBroker` has to keep, as tests. */
export function consumerBrokerChecks(name: string, subject: ConsumerBrokerSubject): void {
  const fresh = (): Promise<OpenAgain> => openingOf(subject);

  describe(`the journal of consumers ${name}`, () => journalChecks(fresh));
  describe(`the texts that nodes share ${name}`, () => textChecks(fresh));
  describe(`the messages of nodes ${name}`, () => messageChecks(fresh));
}

/** Makes a store for this test. */
export async function openingOf({ create }: ConsumerBrokerSubject): Promise<OpenAgain> {
  const { store, dispose } = await create();
  const opened = await store.open({ shards: undefined, defaultShards: 2 });
  onTestFinished(async () => {
    await opened.close([]);
    await dispose?.();
  });
  const { module, options } = opened.consumerBroker!;
  const { openConsumerBroker } = (await import(/* @vite-ignore */ module)) as ConsumerBrokerModule;
  return async () => {
    // As another thread gets them.
    const broker = await openConsumerBroker(structuredClone(options));
    onTestFinished(() => broker.close());
    return broker;
  };
}

export function entry(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function texts(entries: readonly Uint8Array[]): string[] {
  return entries.map((one) => new TextDecoder().decode(one));
}

function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, n) => `${prefix}${n}`);
}

async function appendAll(journal: ConsumerJournal, all: readonly string[]): Promise<void> {
  for (const one of all) await journal.append(entry(one));
}

function journalChecks(fresh: () => Promise<OpenAgain>): void {
  test('has for whoever takes it all that was added, in order', async () => {
    const open = await fresh();
    const journal = (await open()).journal(0);
    expect(await journal.take()).toEqual([]);
    const all = numbered('e', 700);
    await appendAll(journal, all);
    expect(texts(await (await open()).journal(0).take())).toEqual(all);
  });

  test('belongs to whoever took it last, and takes nothing of any other', async () => {
    const open = await fresh();
    const [one, other] = [(await open()).journal(0), (await open()).journal(0)];
    await one.take();
    await one.append(entry('a'));
    expect(texts(await other.take())).toEqual(['a']);
    await expect(one.append(entry('lost'))).rejects.toMatchObject(OWNER_CHANGED);
    await expect(one.compact([entry('lost')])).rejects.toMatchObject(OWNER_CHANGED);
    await other.append(entry('b'));
    await expect(one.append(entry('lost'))).rejects.toMatchObject(OWNER_CHANGED);
    expect(texts(await one.take())).toEqual(['a', 'b']);
    await one.append(entry('c'));
    await expect(other.append(entry('lost'))).rejects.toMatchObject(OWNER_CHANGED);
    expect(texts(await other.take())).toEqual(['a', 'b', 'c']);
  });

  test('belongs to one of two that have it of the same opened broker', async () => {
    const broker = await (await fresh())();
    const [one, other] = [broker.journal(0), broker.journal(0)];
    await one.take();
    await other.take();
    await expect(one.append(entry('lost'))).rejects.toMatchObject(OWNER_CHANGED);
    await other.append(entry('a'));
    expect(texts(await one.take())).toEqual(['a']);
  });

  test('is another one for each shard', async () => {
    const open = await fresh();
    const broker = await open();
    const [zero, one] = [broker.journal(0), broker.journal(1)];
    await Promise.all([zero.take(), one.take()]);
    await zero.append(entry('of 0'));
    await one.append(entry('of 1'));
    const other = await open();
    expect(texts(await other.journal(0).take())).toEqual(['of 0']);
    await one.append(entry('more'));
    expect(texts(await other.journal(1).take())).toEqual(['of 1', 'more']);
  });

  test('has the snapshot in the place of what was there before, and what was added since', async () => {
    const open = await fresh();
    const journal = (await open()).journal(0);
    await journal.take();
    await appendAll(journal, numbered('old', 20));
    await journal.compact(numbered('s', 3).map(entry));
    await appendAll(journal, ['a', 'b']);
    expect(texts(await (await open()).journal(0).take())).toEqual(['s0', 's1', 's2', 'a', 'b']);
    const next = (await open()).journal(0);
    await next.take();
    await next.compact([entry('t')]);
    await next.compact([]);
    await next.append(entry('c'));
    expect(texts(await (await open()).journal(0).take())).toEqual(['c']);
  });

  test('takes entries, and snapshots, of several MiB', { timeout: 60_000 }, async () => {
    const open = await fresh();
    const journal = (await open()).journal(0);
    await journal.take();
    const [large, whole] = [randomBytes(3 * MIB + 1), randomBytes(5 * MIB)];
    await journal.append(entry('first'));
    await journal.append(large);
    await journal.append(entry('last'));
    const other = (await open()).journal(0);
    expectSame(await other.take(), [entry('first'), large, entry('last')]);
    const parts = Array.from({ length: 10 }, (_, n) =>
      whole.subarray((n * MIB) / 2, ((n + 1) * MIB) / 2),
    );
    await other.compact([...parts, whole]);
    await other.append(entry('more'));
    expectSame(await (await open()).journal(0).take(), [...parts, whole, entry('more')]);
  });

  test('is taken amid appends with all of them that were confirmed, and no other', async () => {
    const open = await fresh();
    const journals = await Promise.all([1, 2].map(async () => (await open()).journal(0)));
    const confirmed: string[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const [owner, next] = [journals[round % 2]!, journals[(round + 1) % 2]!];
      await owner.take();
      const before = confirmed.length;
      const appending = (async () => {
        for (let n = 0; ; n++) {
          await owner.append(entry(`${round}-${n}`));
          confirmed.push(`${round}-${n}`);
        }
      })();
      const ended = expect(appending).rejects.toMatchObject(OWNER_CHANGED);
      await until('some are confirmed', () => confirmed.length >= before + 20);
      const found = texts(await next.take());
      await ended;
      expect(found).toEqual(confirmed);
    }
  });

  test('is taken amid a snapshot with what was there before, or the whole snapshot', async () => {
    const open = await fresh();
    const journals = await Promise.all([1, 2].map(async () => (await open()).journal(0)));
    let kept: string[] = [];
    for (let round = 0; round < 2 * ROUNDS; round++) {
      const [owner, next] = [journals[round % 2]!, journals[(round + 1) % 2]!];
      await owner.take();
      await owner.append(entry(`before ${round}`));
      const before = [...kept, `before ${round}`];
      const snapshot = numbered(`snapshot ${round}-`, 20);
      let isMade = false;
      const compacting = owner.compact(snapshot.map(entry)).then(
        () => {
          isMade = true;
        },
        (error: unknown) => expect(error).toMatchObject(OWNER_CHANGED),
      );
      // Later in each round, so that it comes before, within and behind the snapshot.
      for (let turn = 0; turn < 2 ** round; turn++) await new Promise(setImmediate);
      const found = texts(await next.take());
      await compacting;
      const isSnapshot = found.length === snapshot.length && found[0] === snapshot[0];
      expect(found).toEqual(isSnapshot ? snapshot : before);
      if (isMade) expect(found).toEqual(snapshot);
      kept = found;
    }
  });
}

function textChecks(fresh: () => Promise<OpenAgain>): void {
  test('are replaced by whoever names their version', async () => {
    const open = await fresh();
    const [one, other] = [(await open()).text('owner'), (await open()).text('owner')];
    expect(await one.read()).toEqual({ version: 0, text: undefined });
    expect(await one.replace(7, 'none')).toBe(undefined);
    const first = await one.replace(0, 'a');
    expect(first).toBeGreaterThan(0);
    expect(await other.read()).toEqual({ version: first, text: 'a' });
    expect(await other.replace(0, 'none')).toBe(undefined);
    const second = await other.replace(first!, '{"b":"ß"}');
    expect(second).toBeGreaterThan(first!);
    expect(await one.replace(first!, 'none')).toBe(undefined);
    expect(await one.read()).toEqual({ version: second, text: '{"b":"ß"}' });
  });

  test('have versions of their own', async () => {
    const broker = await (await fresh())();
    const owner = await broker.text('owner').replace(0, 'o');
    expect(await broker.text('list').read()).toEqual({ version: 0, text: undefined });
    await broker.text('list').replace(0, 'l');
    expect(await broker.text('owner').read()).toEqual({ version: owner, text: 'o' });
    expect(await broker.text('owner').replace(owner!, 'p')).toBeGreaterThan(owner!);
    expect((await broker.text('list').read()).text).toBe('l');
  });

  test('are replaced once, however many ask for it at once', async () => {
    const open = await fresh();
    const all = await Promise.all(numbered('', 8).map(async () => (await open()).text('owner')));
    let { version } = await all[0]!.read();
    for (let round = 0; round < ROUNDS; round++) {
      const answers = await Promise.all(all.map((one, n) => one.replace(version, `${round}-${n}`)));
      const won = answers.flatMap((one, n) => (one === undefined ? [] : [{ version: one, n }]));
      expect(won).toHaveLength(1);
      ({ version } = won[0]!);
      expect(await all[7]!.read()).toEqual({ version, text: `${round}-${won[0]!.n}` });
    }
  });

  test('may be as long as a list of thousands of consumers', async () => {
    const open = await fresh();
    const list = (await open()).text('list');
    const text = JSON.stringify(numbered('orders.worker-', 5000).map(consumerNamed));
    expect(text.length).toBeGreaterThan(2 * MIB);
    const version = await list.replace(0, text);
    expect(await (await open()).text('list').read()).toEqual({ version, text });
    const shorter = await list.replace(version!, '[]');
    expect(await (await open()).text('list').read()).toEqual({ version: shorter, text: '[]' });
  });
}

/** Much like an entry of the list. */
function consumerNamed(name: string): unknown {
  const definition = {
    filter: [`${name}.*`],
    from: 'earliest',
    order: 'topic',
    leaseMs: 30_000,
    maxAttempts: 5,
    maxInFlight: 1024,
    backoffMs: [1000, 5000, 30_000, 120_000],
    deadLetter: `dead.${name}`,
    types: ['order.placed', 'order.changed', 'order.cancelled'],
    attributes: { region: ['eu-central', 'eu-west', 'us-east'], tenant: ['a', 'b'] },
  };
  const id = randomBytes(13).toString('hex').toUpperCase();
  return {
    id,
    name,
    createdAt: 1_700_000_000_000,
    definition,
    isPaused: false,
    round: 1,
    positions: [7, 8],
  };
}

interface Heard {
  readonly messages: Uint8Array[];
  readonly stop: () => void;
}

async function listener(broker: ConsumerBroker, address: string): Promise<Heard> {
  const messages: Uint8Array[] = [];
  const stop = await broker.listen(address, (message) => messages.push(message));
  return { messages, stop };
}

function messageChecks(fresh: () => Promise<OpenAgain>): void {
  test('come to all who listen at an address, once and in order, and to nobody else', async () => {
    const open = await fresh();
    const [one, other, sender] = [await open(), await open(), await open()];
    const here = await listener(one, 'desk.0');
    const there = await listener(other, 'desk.0');
    const own = await listener(sender, 'desk.0');
    const elsewhere = await listener(other, 'desk.01');
    const all = numbered('m', 500);
    for (const text of all) sender.send('desk.0', entry(text));
    sender.send('desk.01', entry('end'));
    for (const heard of [here, there, own]) {
      await until('all have come', () => heard.messages.length >= all.length);
    }
    await until('the last one has come', () => elsewhere.messages.length > 0);
    for (const heard of [here, there, own]) expect(texts(heard.messages)).toEqual(all);
    expect(texts(elsewhere.messages)).toEqual(['end']);
  });

  test('come from all senders, those of each in order', async () => {
    const open = await fresh();
    const heard = await listener(await open(), 'a');
    const senders = [await open(), await open()];
    for (let n = 0; n < 200; n++) {
      for (const [s, sender] of senders.entries()) sender.send('a', entry(`${s} ${n}`));
    }
    await until('all have come', () => heard.messages.length >= 400);
    for (const s of [0, 1]) {
      const came = texts(heard.messages).filter((text) => text.startsWith(`${s} `));
      expect(came).toEqual(numbered(`${s} `, 200));
    }
  });

  test('may be of any length up to the longest that the broker names', async () => {
    const open = await fresh();
    const heard = await listener(await open(), 'a');
    const sender = await open();
    expect(sender.messageBytesMax).toBeGreaterThanOrEqual(128 * KIB);
    const sent = [0, 1, 64 * KIB, sender.messageBytesMax].map((length) => randomBytes(length));
    for (const message of sent) sender.send('a', message);
    await until('all have come', () => heard.messages.length >= sent.length);
    expectSame(heard.messages, sent);
  });

  test('come until their listener has ended', async () => {
    const open = await fresh();
    const [receiver, sender] = [await open(), await open()];
    const ended = await listener(receiver, 'a');
    const goesOn = await listener(receiver, 'b');
    sender.send('a', entry('one'));
    await until('the first has come', () => ended.messages.length === 1);
    ended.stop();
    sender.send('a', entry('two'));
    sender.send('b', entry('three'));
    await until('the other has come', () => goesOn.messages.length === 1);
    expect(texts(ended.messages)).toEqual(['one']);
  });

  test('come to whoever listens at an address again', async () => {
    const open = await fresh();
    const [receiver, sender] = [await open(), await open()];
    (await listener(receiver, 'a')).stop();
    const again = await listener(receiver, 'a');
    sender.send('a', entry('one'));
    await until('it has come', () => again.messages.length > 0);
    expect(texts(again.messages)).toEqual(['one']);
  });
}

/** As `toEqual`, which takes seconds for megabytes. */
function expectSame(found: readonly Uint8Array[], expected: readonly Uint8Array[]): void {
  expect(found.map(({ length }) => length)).toEqual(expected.map(({ length }) => length));
  for (const [n, one] of found.entries()) expect(Buffer.compare(one, expected[n]!), `${n}`).toBe(0);
}
