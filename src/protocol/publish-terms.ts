import { BusError } from './errors.js';
import type { EventInput, IdScope, PublishManyOptions } from './event.js';
import { expectedSequence, isExpectation } from './expectation.js';
import { ATOMIC_EVENTS_MAX } from './limits/bus-api.js';
import { optionInvalid } from './options.js';
import { quote } from './quote.js';

/** @throws BusError `LIMIT_EXCEEDED`, or `EVENT_INVALID` if two of the events are the same by topic and id */
export function checkGroup(inputs: readonly EventInput[], idScope: IdScope = 'topic'): void {
  const events = inputs.length;
  if (events > ATOMIC_EVENTS_MAX) {
    const message = `atomic: ${events} events are over the limit of ${ATOMIC_EVENTS_MAX}`;
    const details = { events, limit: ATOMIC_EVENTS_MAX };
    throw new BusError('LIMIT_EXCEEDED', message, { details });
  }
  const seen = new Set<string>();
  for (const [index, { topic, id, source }] of inputs.entries()) {
    if (id === undefined) continue;
    const name = JSON.stringify(idScope === 'source' ? [topic, id, source] : [topic, id]);
    if (seen.has(name)) {
      const message = `events[${index}]: the id ${id} on ${quote(topic)} is there twice`;
      throw new BusError('EVENT_INVALID', message, { details: { field: 'id', index } });
    }
    seen.add(name);
  }
}

/**
 * For each event of an atomic `publishMany` the sequence that its topic is expected to end with; `undefined`: any. Only
 * the first event of a topic has one.
 * @throws BusError `OPTION_INVALID`
 */
export function expectedSequences(
  inputs: readonly EventInput[],
  expect: PublishManyOptions['expect'],
): readonly (number | undefined)[] {
  if (expect === undefined) return [];
  const byTopic = expectationsByTopic(inputs, expect);
  const expected = inputs.map(({ topic }) => {
    const sequence = byTopic.get(topic);
    byTopic.delete(topic);
    return sequence;
  });
  const [unused] = byTopic.keys();
  if (unused === undefined) return expected;
  throw optionInvalid('publishMany', 'expect', `none of the events is on topic ${quote(unused)}`);
}

function expectationsByTopic(
  inputs: readonly EventInput[],
  expect: NonNullable<PublishManyOptions['expect']>,
): Map<string, number> {
  if (!isExpectation(expect)) {
    return new Map(Object.entries(expect).map(([topic, one]) => [topic, expectedSequence(one)]));
  }
  const { topic } = inputs[0]!;
  const other = inputs.find((input) => input.topic !== topic);
  if (other === undefined) return new Map([[topic, expectedSequence(expect)]]);
  const message = `one expectation goes with one topic; the events are on ${quote(topic)} and ${quote(other.topic)}`;
  throw optionInvalid('publishMany', 'expect', message);
}

/** The refusal of a publish on terms whose event would not be stored. */
export function notStored(
  topic: string,
  option: 'expect' | 'atomic' | 'deliverAt' | 'delayMs',
): BusError {
  const message = `${option}: an event on ${quote(topic)} would be ephemeral here, and is not stored`;
  return new BusError('OPTION_INVALID', message, { details: { topic, path: option } });
}
