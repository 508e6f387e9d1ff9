import { headers, type Msg, type MsgHdrs, type SubscriptionOptions } from '@nats-io/transport-node';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { Publisher, type PublisherState } from '../../../src/store/nats/publisher.js';
import type { Wanted } from '../../../src/store/nats/search.js';
import { Subjects } from '../../../src/store/nats/subjects.js';
import type { NewEntry } from '../../../src/store/shared/log-stream.js';
import { seal } from '../../../src/store/shared/sealed-record.js';
import { BY_PUBLISHER } from '../../../src/testing/events.js';
import { record } from '../../store/records.js';

/** Lets the machine sleep: its uptime goes on, and no other clock. */
const asleep = vi.hoisted(() => ({ ms: 0 }));
vi.mock('node:os', async (original) => {
  const os = await original<typeof import('node:os')>();
  return { ...os, uptime: () => os.uptime() + asleep.ms / 1000 };
});

const MSG_ID = 'Nats-Msg-Id';
const EXPECTED = 'Nats-Expected-Last-Sequence';

type Fate =
  /** A new leader answers that has not applied yet what is stored. */
  | 'unapplied'
  /** Another event is the last of the topic, and the server does not say which. */
  | 'unexpected'
  /** It never reaches the stream. */
  | 'lost'
  /** It is stored, and nobody hears of it. */
  | 'unheard'
  /** The stream has no leader. */
  | 'leaderless'
  /** It is a repeat of a message that is on its way itself. */
  | 'in process';

/** A stream as a server keeps it, and what becomes of the messages on their way to it. */
class FakeServer {
  /** The ids that are stored, in order. */
  readonly ids: string[] = [];
  /** Every message that was sent: the id, or `?` and the id where it only asks. */
  readonly sent: string[] = [];
  /** What becomes of the sendings of an event, one after the other. */
  readonly fates = new Map<string, Fate[]>();
  readonly isUp = true;
  /** It has noted the id of a message before it refuses it. */
  keepsRefusedIds = false;
  /** It has removed no event. */
  isWhole = true;
  readonly #refused = new Set<string>();
  /** Called when a message reaches the server. */
  onMessage = (_id: string): void => {};
  readonly maxPayload = 1_000_000;
  #answer: SubscriptionOptions['callback'];
  readonly connection = {
    subscribe: (_: string, { callback }: SubscriptionOptions = {}) => {
      this.#answer = callback;
      return { unsubscribe: () => {} } as never;
    },
    publish: (_: string, __?: unknown, options: { headers?: MsgHdrs; reply?: string } = {}) =>
      this.#take(options.headers!, options.reply!),
  };

  headers = headers;
  newInbox = () => 'inbox';
  up = async () => {};
  watch = () => {};

  #take(sent: MsgHdrs, reply: string): void {
    const key = sent.get(MSG_ID);
    const id = (JSON.parse(key) as string[])[3]!;
    const isProbe = sent.has(EXPECTED);
    this.sent.push(isProbe ? `?${id}` : id);
    this.onMessage(id);
    const fate = this.fates.get(id)?.shift();
    if (fate !== 'lost') this.#judge(id, isProbe, fate, reply);
  }

  #judge(id: string, isProbe: boolean, fate: Fate | undefined, reply: string): void {
    const stored = this.ids.indexOf(id) + 1;
    if (fate === 'in process' || this.#refused.has(id))
      this.#tell(reply, { seq: 0, duplicate: true });
    else if (fate === 'unexpected') {
      this.#tell(reply, { error: { err_code: 10164, description: 'wrong last sequence' } });
    } else if (fate === 'leaderless') this.#tell(reply, undefined, 503);
    else if (stored > 0 && fate !== 'unapplied')
      this.#tell(reply, { seq: stored, duplicate: true });
    else if (isProbe) {
      if (this.keepsRefusedIds) this.#refused.add(id);
      const description = `wrong last sequence: ${this.ids.length}`;
      this.#tell(reply, { error: { err_code: 10071, description } });
    } else {
      const seq = this.ids.push(id);
      if (fate !== 'unheard') this.#tell(reply, { seq });
    }
  }

  #tell(subject: string, answer: unknown, code = 0): void {
    const message = { subject, headers: { code }, json: () => answer };
    setImmediate(() => void this.#answer?.(null, message as unknown as Msg));
  }
}

function publisherOn(server: FakeServer, state: Partial<PublisherState> = {}): Publisher {
  const publisher = new Publisher(server, 'stream', new Subjects('p', 0), {
    headNow: () => 0,
    lastOf: async () => 0,
    search: () => undefined,
    shownHead: 0,
    dedupeWindowMs: 120_000,
    ...state,
  });
  onTestFinished(() => publisher.close());
  return publisher;
}

/** On a server that keeps the ids of what it refuses. */
function searchingOn(server: FakeServer, state: Partial<PublisherState> = {}): Publisher {
  server.keepsRefusedIds = true;
  const search = async ({ after, identities }: Wanted) => {
    const behind = server.ids.slice(Math.max(0, after));
    const all = behind.map((id, at) => [identity(id), after + at + 1] as const);
    const wanted = all.filter(([name]) => identities.has(name));
    return { sequences: new Map(wanted), isWhole: server.isWhole };
  };
  return publisherOn(server, { search: () => search, ...state });
}

function identity(id: string): string {
  return JSON.stringify([false, null, id[0], id]);
}

/** `a1 a2 b1`: events of the topics `a` and `b`, with these ids. */
function batch(ids: string, flags?: number, isAgain = false): NewEntry[] {
  return ids.split(' ').map((id) => {
    const event = { topic: id[0]!, id, ...(flags === undefined ? {} : { flags }) };
    const bytes = record(event);
    return { recordedAt: 1, bytes: seal(bytes, 0, bytes.length), terms: undefined, isAgain };
  });
}

describe('a batch on its way to a stream', () => {
  test('is sent once, and each event has its place', async () => {
    const server = new FakeServer();
    const appended = await publisherOn(server).append(batch('a1 a2 b1'));
    expect(appended).toEqual({ sequences: [1, 2, 3], repeats: [false, false, false] });
    expect(server.sent).toEqual(['a1', 'a2', 'b1']);
  });

  test('is asked about where answers are lost, and what is stored is not sent again', async () => {
    const server = new FakeServer();
    server.fates.set('a2', ['unheard']);
    server.fates.set('b1', ['leaderless']);
    const appended = await publisherOn(server).append(batch('a1 a2 b1'));
    expect(appended).toEqual({ sequences: [1, 2, 3], repeats: [false, false, false] });
    expect(server.sent.filter((id) => id === 'a2')).toEqual(['a2']);
    expect(server.sent).toContain('?a2');
  });

  test('is asked about by one question while nobody answers', async () => {
    const server = new FakeServer();
    server.fates.set('a1', ['leaderless', 'leaderless', 'leaderless']);
    for (const id of ['b1', 'c1']) server.fates.set(id, ['lost']);
    const appended = await publisherOn(server).append(batch('a1 b1 c1'));
    expect(appended.sequences).toEqual([1, 2, 3]);
    const questions = server.sent.filter((id) => id.startsWith('?')).join(' ');
    expect(questions).toBe('?a1 ?b1 ?c1 ?a1 ?a1 ?a1 ?b1 ?c1');
  });

  test('is sent again in its order where its end is lost', async () => {
    const server = new FakeServer();
    for (const id of ['a2', 'a3', 'b2']) server.fates.set(id, ['leaderless']);
    const appended = await publisherOn(server).append(batch('a1 b1 a2 b2 a3'));
    expect(appended.refused).toBeUndefined();
    expect(server.ids).toEqual(['a1', 'b1', 'a2', 'b2', 'a3']);
  });

  test('gives up an event whose topic has a later one, and no other', async () => {
    const server = new FakeServer();
    server.fates.set('a2', ['lost']);
    server.fates.set('b2', ['lost']);
    server.fates.set('b3', ['leaderless']);
    const appended = await publisherOn(server).append(batch('a1 b1 a2 b2 a3 b3'));
    expect(server.ids).toEqual(['a1', 'b1', 'a3', 'b2', 'b3']);
    expect([...appended.refused!.keys()]).toEqual([2]);
    expect(appended.refused!.get(2)?.error).toMatchObject({
      code: 'PUBLISH_UNKNOWN',
      details: { topic: 'a', id: 'a2' },
    });
    expect(appended.sequences).toEqual([1, 2, 0, 4, 3, 5]);
  });

  test('is asked about again where a new leader has not applied all that is stored', async () => {
    const server = new FakeServer();
    server.fates.set('a1', ['unheard', 'unapplied']);
    const appended = await publisherOn(server).append(batch('a1 a2'));
    expect(appended).toEqual({ sequences: [1, 2], repeats: [false, false] });
    expect(server.sent).toEqual(['a1', 'a2', '?a1', '?a1']);
  });

  test('waits until a message that is on its way has its place', async () => {
    const server = new FakeServer();
    server.ids.push('a1');
    server.fates.set('a1', ['in process', 'in process']);
    const appended = await publisherOn(server).append(batch('a1'));
    expect(appended.sequences).toEqual([1]);
  });

  test('tells repeats: of events stored before, and within itself', async () => {
    const server = new FakeServer();
    server.ids.push('a1');
    const publisher = publisherOn(server, { headNow: () => 1 });
    const appended = await publisher.append(batch('a1 a2 a2', BY_PUBLISHER));
    expect(appended).toEqual({ sequences: [1, 2, 2], repeats: [true, false, true] });
  });

  test('says which event is the last of a topic where the server does not', async () => {
    const server = new FakeServer();
    server.fates.set('a1', ['unexpected']);
    const asked: string[] = [];
    const lastOf = async (subject: string) => asked.push(subject) + 6;
    const appended = await publisherOn(server, { lastOf }).append(batch('a1 b1'));
    expect(asked).toEqual(['p.0.a']);
    expect(appended.refused!.get(0)).toMatchObject({
      found: 7,
      error: { code: 'CONFLICT', details: { topic: 'a', sequence: 7 } },
    });
  });

  test('is not sent when the server may have forgotten what it has of it', async () => {
    const server = new FakeServer();
    const publisher = publisherOn(server, { dedupeWindowMs: 5100 });
    server.fates.set('a1', ['lost']);
    await expect(publisher.append(batch('a1'))).rejects.toMatchObject({ code: 'STORE_FAILED' });
    expect(server.sent).toEqual(['a1', '?a1']);
  });

  test('is not sent again after the machine has slept for as long as the server knows ids', async () => {
    onTestFinished(() => {
      asleep.ms = 0;
    });
    const server = new FakeServer();
    server.fates.set('a1', ['lost']);
    server.onMessage = () => {
      asleep.ms = 120_000;
    };
    await expect(publisherOn(server).append(batch('a1'))).rejects.toMatchObject({
      code: 'STORE_FAILED',
    });
    expect(server.sent).toEqual(['a1', '?a1']);
  });

  test('is sent no further where the time has passed on its way', async () => {
    onTestFinished(() => {
      asleep.ms = 0;
    });
    const ids = Array.from({ length: 600 }, (_, n) => `a${n}`);
    const server = new FakeServer();
    server.onMessage = (id) => {
      if (id === 'a100') asleep.ms = 120_000;
    };
    const append = publisherOn(server).append(batch(ids.join(' ')));
    await expect(append).rejects.toMatchObject({ code: 'STORE_FAILED' });
    expect(server.ids).toHaveLength(255);
  });
});

describe('a batch on its way to a server that keeps the ids of what it refuses', () => {
  test('is searched for where answers are lost, and its ids are not asked about', async () => {
    const server = new FakeServer();
    server.fates.set('a2', ['unheard']);
    server.fates.set('b1', ['leaderless']);
    const appended = await searchingOn(server).append(batch('a1 a2 b1'));
    expect(appended).toEqual({ sequences: [1, 2, 3], repeats: [false, false, false] });
    expect(server.sent.join(' ')).toBe('a1 a2 b1 b1');
  });

  test('gives up an event whose topic has a later one', async () => {
    const server = new FakeServer();
    server.fates.set('a1', ['lost']);
    server.fates.set('b1', ['leaderless']);
    const appended = await searchingOn(server).append(batch('a1 a2 b1'));
    expect(server.ids).toEqual(['a2', 'b1']);
    expect(appended.refused!.get(0)?.error).toMatchObject({
      code: 'PUBLISH_UNKNOWN',
      message: expect.stringContaining('was lost on its way'),
    });
  });

  test('does not count an event as lost that may have been removed', async () => {
    const server = new FakeServer();
    server.isWhole = false;
    server.fates.set('a1', ['lost']);
    const appended = await searchingOn(server).append(batch('a1 a2'));
    expect(appended.refused!.get(0)?.error).toMatchObject({
      code: 'PUBLISH_UNKNOWN',
      message: expect.stringContaining('it is not known whether event a1 on a is stored'),
    });
  });

  test('gives up an event alone whose id the server holds for nothing', async () => {
    const server = new FakeServer();
    server.fates.set(
      'a1',
      Array.from({ length: 99 }, () => 'in process' as const),
    );
    const appended = await searchingOn(server).append(batch('a1 b1'));
    expect(appended.sequences).toEqual([0, 1]);
    expect([...appended.refused!.keys()]).toEqual([0]);
    expect(appended.refused!.get(0)?.error.code).toBe('PUBLISH_UNKNOWN');
    expect(server.sent.filter((id) => id === 'a1').length).toBeLessThan(5);
  });

  test('is searched for behind what was shown before, after its thread has ended', async () => {
    const server = new FakeServer();
    server.ids.push(...Array.from({ length: 9000 }, () => 'x'), 'a1');
    const publisher = searchingOn(server, { headNow: () => 9000, shownHead: 9000 });
    const appended = await publisher.append(batch('a1 a2', undefined, true));
    expect(appended).toEqual({ sequences: [9001, 9002], repeats: [true, false] });
  });
});

describe('a batch that the thread before has left', () => {
  test('is looked for before it is sent', async () => {
    const server = new FakeServer();
    server.ids.push('x', 'a1');
    const publisher = publisherOn(server, { headNow: () => 1, shownHead: 1 });
    const appended = await publisher.append(batch('a1 a2', undefined, true));
    expect(appended).toEqual({ sequences: [2, 3], repeats: [true, false] });
    expect(server.sent).toEqual(['?a1', '?a2', 'a2']);
  });

  test('does not get an event stored behind a later one of its topic', async () => {
    const server = new FakeServer();
    server.ids.push('a2');
    const publisher = publisherOn(server, { headNow: () => 1, shownHead: 1 });
    const appended = await publisher.append(batch('a1 a2 a3', undefined, true));
    expect(server.ids).toEqual(['a2', 'a3']);
    expect([...appended.refused!.keys()]).toEqual([0]);
  });

  test('may repeat an old event of the publisher, which says nothing of those before it', async () => {
    const server = new FakeServer();
    server.ids.push('a2');
    const state = { headNow: () => 9000, shownHead: 9000 };
    const appended = await publisherOn(server, state).append(batch('a1 a2', BY_PUBLISHER, true));
    expect(server.ids).toEqual(['a2', 'a1']);
    expect(appended).toEqual({ sequences: [2, 1], repeats: [false, true] });
  });

  test('is not sent once it has been looked for too long', async () => {
    onTestFinished(() => {
      asleep.ms = 0;
    });
    const server = new FakeServer();
    server.onMessage = () => {
      asleep.ms = 5100;
    };
    const append = publisherOn(server).append(batch('a1', undefined, true));
    await expect(append).rejects.toMatchObject({ code: 'STORE_FAILED' });
    expect(server.sent).toEqual(['?a1']);
  });
});
