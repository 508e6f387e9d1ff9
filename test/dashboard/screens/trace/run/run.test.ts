import fc from 'fast-check';
import type { Event } from 'millrace';
import { describe, expect, it } from 'vitest';
import { pieceOf } from '../../../../../src/dashboard/screens/trace/run/piece.js';
import { Run } from '../../../../../src/dashboard/screens/trace/run/run.js';

let sequence = 0;

function eventOf(fields: Partial<Event>): Event {
  sequence++;
  return {
    id: `e${sequence}`,
    topic: 'chat.1',
    type: 'chat_token',
    source: 'model',
    timestamp: new Date(Date.UTC(2026, 0, 31, 12) + sequence).toISOString(),
    shard: 0,
    sequence,
    payload: {},
    ...fields,
  };
}

function runOf(events: readonly Event[]): Run {
  const run = new Run();
  for (const event of events) run.add(event);
  return run;
}

describe('a piece of a text', () => {
  it('is known by the field of its payload, or by the type of its event', () => {
    const pieces: [string, unknown, string | undefined][] = [
      ['agent_log', { delta: 'a' }, 'a'],
      ['agent_log', { delta: { text: 'a' } }, 'a'],
      ['agent_log', { delta: { content: 'a' } }, 'a'],
      ['agent_log', { token: 'a' }, 'a'],
      ['chat_token', { text: 'a' }, 'a'],
      ['message.chunks', { content: 'a' }, 'a'],
      ['chat_token', 'a', 'a'],
      ['chat_message', { text: 'a' }, undefined],
      ['chat_message', 'a', undefined],
      ['department_opened', { text: 'a' }, undefined],
      ['chat_token', { token: 7 }, undefined],
      ['chat_token', null, undefined],
      ['chat_token', ['a'], undefined],
      ['chat_token', { token: 'a'.repeat(2000) }, undefined],
    ];
    for (const [type, payload, piece] of pieces) {
      expect(pieceOf(eventOf({ type, payload })), `${type} ${JSON.stringify(payload)}`).toBe(piece);
    }
  });
});

describe('a run', () => {
  it('joins the pieces of each stream in order, however the streams mix', () => {
    const step = fc.record({
      topic: fc.constantFrom('chat.1', 'chat.2'),
      source: fc.constantFrom('model', 'other'),
      token: fc.string({ maxLength: 4 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const wanted = new Map<string, string>();
        for (const { topic, source, token } of steps) {
          const stream = `${topic} ${source}`;
          wanted.set(stream, (wanted.get(stream) ?? '') + token);
        }
        const run = runOf(
          steps.map(({ topic, source, token }) => eventOf({ topic, source, payload: { token } })),
        );
        const joined = run.entries.map(({ event, text }) => [
          `${event.topic} ${event.source}`,
          text?.text ?? (event.payload as { token: string }).token,
        ]);
        expect(joined).toEqual([...wanted]);
        expect(run.entries.reduce((sum, { text }) => sum + (text?.pieces ?? 1), 0)).toBe(
          steps.length,
        );
      }),
    );
  });

  it('begins a new text after another event of the source on the topic, and with another cause', () => {
    const token = (text: string, causationId: string): Event =>
      eventOf({ payload: { text }, causationId });
    const run = runOf([
      token('a', 'q1'),
      token('b', 'q1'),
      eventOf({ source: 'user', type: 'chat_message', payload: { text: 'hm' } }),
      token('c', 'q1'),
      eventOf({ type: 'chat_message', payload: { text: 'abc' } }),
      token('d', 'q1'),
      token('e', 'q2'),
      token('f', 'q2'),
    ]);
    expect(run.entries.map(({ text, event }) => text?.text ?? event.payload)).toEqual([
      'abc',
      { text: 'hm' },
      { text: 'abc' },
      { text: 'd' },
      'ef',
    ]);
  });

  it('joins pieces that each name the one before as their cause, and finds the text by any of them', () => {
    const first = eventOf({ payload: { text: 'a' }, causationId: 'question' });
    const second = eventOf({ payload: { text: 'b' }, causationId: first.id });
    const third = eventOf({ payload: { text: 'c' }, causationId: second.id });
    const run = runOf([first, second, third]);
    expect(run.entries).toMatchObject([{ text: { text: 'abc', pieces: 3 } }]);
    expect(run.entries[0]!.at).toBe(Date.parse(first.timestamp));
    expect(run.entries[0]!.until).toBe(Date.parse(third.timestamp));
    for (const { id } of [first, second, third]) expect(run.entryOf(id)).toBe(run.entries[0]);
  });

  it('takes an event once, whether history or the live stream brings it first', () => {
    const events = Array.from({ length: 10 }, () => eventOf({ type: 't' }));
    const { sequence: _, ...ephemeral } = eventOf({ type: 't' });
    const run = runOf([...events.slice(0, 8), ...events.slice(5), ephemeral]);
    expect(run.total).toBe(11);
    expect(run.entries.map(({ event }) => event.id)).toEqual(
      [...events, ephemeral].map(({ id }) => id),
    );
  });

  it('takes the new events of a log that has lost its newest ones', () => {
    const [first, second, third] = [1, 2, 3].map((at) => eventOf({ type: 't', sequence: at }));
    const run = runOf([first!, second!, third!]);
    run.rollBack(0, 2);
    run.rollBack(1, 1);
    run.add(eventOf({ id: 'new', type: 't', sequence: 2 }));
    run.add(eventOf({ id: 'new', type: 't', sequence: 2 }));
    expect(run.entries.map(({ event }) => event.id)).toEqual([
      ...[first!, second!, third!].map(({ id }) => id),
      'new',
    ]);
  });

  it('shows the first events up to its bounds and counts the rest', () => {
    const run = new Run({ events: 5, weight: 1e9 });
    const events = Array.from({ length: 12 }, () => eventOf({ type: 't' }));
    for (const event of events) run.add(event);
    expect([run.shown, run.total]).toEqual([5, 12]);
    expect(run.entries.map(({ event }) => event.id)).toEqual(
      events.slice(0, 5).map(({ id }) => id),
    );
    const light = new Run({ events: 100, weight: 2000 });
    light.add(eventOf({ type: 't', payload: 'x'.repeat(1000) }));
    light.add(eventOf({ type: 't', payload: 'x'.repeat(1000) }));
    light.add(eventOf({ type: 't' }));
    expect([light.shown, light.total]).toEqual([1, 3]);
  });
});
