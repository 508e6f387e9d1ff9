import { describe, expect, it } from 'vitest';
import { parseConsumerOptions } from '../../src/protocol/consumer-definition.js';
import { BusError } from '../../src/protocol/errors.js';
import { CONSUMERS_MAX } from '../../src/protocol/limits/consumers.js';
import {
  type KeptConsumer,
  readConsumerList,
  writeConsumerList,
} from '../../src/store/consumer-list.js';

function textOf(content?: string) {
  const text = {
    file: 'consumers.json',
    content,
    read: () => text.content,
    write: (next: string) => {
      text.content = next;
    },
  };
  return text;
}

const MAILER: KeptConsumer = {
  id: '01J9ZQ5H7M2V8X3K4N6P7R8S9T',
  name: 'mail.er',
  createdAt: Date.UTC(2026, 10, 28),
  definition: parseConsumerOptions({
    filter: { topics: ['orders.*'], attributes: { a: ['1'] } },
    order: 'attributes.a',
    deadLetter: 'dead.mailer',
    backoffMs: [1, 2],
  }).definition,
  isPaused: true,
  round: 3,
  positions: [7, 0],
  isFromCursor: true,
};

describe('a list of consumers', () => {
  it('that was written is read as it was', () => {
    const text = textOf();
    expect(readConsumerList(text, 2)).toEqual([]);
    writeConsumerList(text, [MAILER]);
    expect(readConsumerList(text, 2)).toEqual([MAILER]);
    writeConsumerList(text, []);
    expect(readConsumerList(text, 2)).toEqual([]);
  });

  it('keeps since when and by whom a consumer is paused, where that is known, and nothing else', () => {
    const { isFromCursor: _, ...plain } = MAILER;
    const consumers: KeptConsumer[] = [
      plain,
      { ...plain, id: MAILER.id.replace('1', '2'), name: 'b', pausedAt: Date.UTC(2026, 10, 29) },
      { ...plain, id: MAILER.id.replace('1', '3'), name: 'c', pausedBy: 'ada', isPaused: false },
    ];
    const text = textOf();
    writeConsumerList(text, consumers);
    expect(readConsumerList(text, 2)).toEqual(consumers);
    const stored = JSON.parse(text.content!).consumers as Record<string, unknown>[];
    expect(
      stored.map((one) => ['pausedAt', 'pausedBy', 'fromCursor'].map((key) => key in one)),
    ).toEqual([
      [false, false, false],
      [true, false, false],
      [false, true, false],
    ]);
  });

  const kept = () => {
    const text = textOf();
    writeConsumerList(text, [MAILER]);
    return JSON.parse(text.content!);
  };
  const changed = (change: object) => {
    const list = kept();
    Object.assign(list.consumers[0], change);
    return JSON.stringify(list);
  };

  it.each([
    ['no JSON', '{', 'it is not JSON'],
    ['no object', '[]', 'it is not a JSON object'],
    ['of a later format', '{"format":2,"consumers":[]}', 'its format is 2, not 1'],
    ['without a list', '{"format":1}', 'its consumers are not a list'],
    [
      'too long',
      JSON.stringify({ format: 1, consumers: Array(CONSUMERS_MAX + 1).fill(0) }),
      `it has ${CONSUMERS_MAX + 1} consumers; ${CONSUMERS_MAX} is the limit`,
    ],
    ['of no objects', '{"format":1,"consumers":[0]}', 'consumer 1: it is not an object'],
    ['with a wrong id', changed({ id: 'x' }), 'consumer 1: its id is not a ULID'],
    ['with a wrong name', changed({ name: 'a..b' }), 'consumer 1: '],
    ['with a wrong time', changed({ createdAt: 'x' }), 'its createdAt is not a time'],
    ['with a wrong pause', changed({ paused: 1 }), 'its paused is not true or false'],
    ['with a wrong time of its pause', changed({ pausedAt: 'x' }), 'its pausedAt is not a time'],
    ['with a wrong name of its pause', changed({ pausedBy: 7 }), 'its pausedBy is not text'],
    ['with a time that is no text', changed({ createdAt: 7 }), 'its createdAt is not a time'],
    ['with an id that is no text', changed({ id: 7 }), 'its id is not a ULID'],
    ['with an id behind others', changed({ id: `x${MAILER.id}` }), 'its id is not a ULID'],
    ['with an id before others', changed({ id: `${MAILER.id}x` }), 'its id is not a ULID'],
    ['with positions that are no list', changed({ positions: 7 }), 'its positions are not 2'],
    ['with a negative position', changed({ positions: [1, -1] }), 'its positions are not 2'],
    [
      'with an id twice',
      JSON.stringify({
        ...kept(),
        consumers: [kept().consumers[0], { ...kept().consumers[0], name: 'b' }],
      }),
      `it has ${MAILER.id} twice`,
    ],
    ['with a wrong round', changed({ round: -1 }), 'its round is not a whole number'],
    ['of other shards', changed({ positions: [1] }), 'its positions are not 2 whole numbers'],
    ['with a wrong mark', changed({ fromCursor: 1 }), 'its fromCursor is not true'],
    ['with a wrong position', changed({ positions: [1, 0.5] }), 'its positions are not 2'],
    [
      'with a wrong definition',
      changed({ definition: { ...MAILER.definition, leaseMs: 1 } }),
      'leaseMs',
    ],
    [
      'with a name twice',
      JSON.stringify({ ...kept(), consumers: [...kept().consumers, ...kept().consumers] }),
      'it has mail.er twice',
    ],
  ])('%s is refused with its file and its fault', (_, content, reason) => {
    const read = () => readConsumerList(textOf(content), 2);
    expect(read).toThrow(BusError);
    expect(read).toThrow(
      expect.objectContaining({
        code: 'STORE_CORRUPT',
        message: expect.stringMatching(/^consumers\.json: /),
        details: { file: 'consumers.json', reason: expect.stringContaining(reason) },
      }),
    );
  });

  it('is refused beyond its limit of bytes, and the old one stays', () => {
    const text = textOf();
    writeConsumerList(text, [MAILER]);
    const before = text.content;
    const topics = Array.from({ length: 1024 }, (_, n) => `${'x'.repeat(200)}.${n}`);
    const definition = { ...MAILER.definition, filter: { topics } };
    const many = Array.from({ length: 100 }, () => ({ ...MAILER, definition }));
    expect(() => writeConsumerList(text, many)).toThrow(
      expect.objectContaining({ code: 'LIMIT_EXCEEDED' }),
    );
    expect(text.content).toBe(before);
  });
});
