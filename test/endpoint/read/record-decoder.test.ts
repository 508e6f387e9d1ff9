import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Redaction } from '../../../src/auth/redaction.js';
import { RecordDecoder } from '../../../src/endpoint/read/record-decoder.js';
import type { Event } from '../../../src/protocol/event.js';
import { eventText, payloadTextOf } from '../../../src/protocol/payload-text.js';
import { EventRecordEncoder } from '../../../src/record/event-record.js';

interface Written {
  readonly payload: string;
  readonly correlationId?: string;
  readonly causationId?: string;
  readonly attributes?: Readonly<Record<string, string>>;
  readonly topic?: string;
}

function recordOf({ payload, correlationId, causationId, attributes, topic }: Written): Buffer {
  const encoder = new EventRecordEncoder();
  encoder.topic = topic ?? 'a.b';
  encoder.type = 'note';
  encoder.source = 's "1"';
  encoder.id = 'e1';
  encoder.timestamp = Date.UTC(2026, 0, 1);
  encoder.correlationId = correlationId ?? '';
  encoder.causationId = causationId ?? '';
  encoder.attributes = attributes === undefined ? '' : JSON.stringify(attributes);
  encoder.payload = payload;
  const bytes = Buffer.alloc(encoder.measure());
  encoder.writeTo(bytes, 0);
  return bytes;
}

function decode(written: Written, sendsOn: boolean, sequence = 7): Event {
  return new RecordDecoder({ sendsOn }).decode(recordOf(written), 0, 3, sequence);
}

afterEach(() => void vi.restoreAllMocks());

describe('an event that is sent on', () => {
  it('has its payload parsed once, when it is read, and not to be sent', () => {
    const parse = vi.spyOn(JSON, 'parse');
    const event = decode({ payload: '{"n":1.0}' }, true);
    expect(payloadTextOf(event)).toBe('{"n":1.0}');
    expect(eventText(event)).toContain('"payload":{"n":1.0}}');
    expect(parse).not.toHaveBeenCalled();
    expect(event.payload).toEqual({ n: 1 });
    expect(event.payload).toBe(event.payload);
    expect(parse).toHaveBeenCalledTimes(1);
  });

  it('has the same fields as the event that a handler gets', () => {
    const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 });
    const written = fc.record(
      {
        payload: fc.json(),
        topic: name,
        correlationId: name,
        causationId: fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/),
        attributes: fc.dictionary(name, fc.string(), { minKeys: 1, maxKeys: 4 }),
      },
      { requiredKeys: ['payload'] },
    );
    fc.assert(
      fc.property(written, fc.nat(2), (one, sequence) => {
        const plain = decode(one, false, sequence);
        const sent = decode(one, true, sequence);
        const said = JSON.parse(eventText(sent));
        expect(said).toEqual(JSON.parse(JSON.stringify(plain)));
        expect(JSON.parse(JSON.stringify(sent))).toEqual(said);
        expect({ ...sent, payload: sent.payload }).toEqual(plain);
      }),
    );
  });

  it('that is masked is a copy without the text', () => {
    const redaction = new Redaction([{ pattern: 'a.*', redact: ['$.card'] }]);
    const masked = redaction.apply(decode({ payload: '{"card":"4111","n":1.0}' }, true));
    expect(JSON.parse(eventText(masked))).toMatchObject({
      id: 'e1',
      payload: { card: '[redacted]', n: 1 },
    });
    const open = decode({ payload: '{"n":1.0}' }, true);
    expect(redaction.apply(open)).toBe(open);
  });
});

it('differs from an event for a handler, a plain object with its members in order', () => {
  const event = decode({ payload: '1.0', correlationId: 'c' }, false);
  expect(Object.getPrototypeOf(event)).toBe(Object.prototype);
  expect(JSON.stringify(event)).toBe(
    '{"id":"e1","topic":"a.b","type":"note","payload":1,"source":"s \\"1\\"",' +
      '"timestamp":"2026-01-01T00:00:00.000Z","shard":3,"sequence":7,"correlationId":"c"}',
  );
});

it('takes no memory of its own for the names that it has seen', () => {
  // The first may make what all share.
  const first = new RecordDecoder({ sendsOn: true });
  const before = process.memoryUsage().arrayBuffers;
  const others = Array.from({ length: 64 }, () => new RecordDecoder({ sendsOn: false }));
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 64 * 1024);
  expect(others.length).toBe(64);
  expect(first.decode(recordOf({ payload: '1' }), 0, 0, 1).topic).toBe('a.b');
});
