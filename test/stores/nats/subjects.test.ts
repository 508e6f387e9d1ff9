import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { matchesPattern, patternFault, topicFault } from '../../../src/protocol/topic.js';
import { deliveredBy } from '../../../src/store/nats/delivered.js';
import { isBefore } from '../../../src/store/nats/nats-link.js';
import { Subjects } from '../../../src/store/nats/subjects.js';

const subjects = new Subjects('prefix', 7);

const segment = fc
  .string({ unit: fc.constantFrom('a', 'b', '%', '>', '$', '3', 'E', 'é', '🙂'), minLength: 1 })
  .filter((text) => text.length < 12);
const topics = fc.array(segment, { minLength: 1, maxLength: 4 }).map((all) => all.join('.'));
const patterns = fc
  .array(fc.oneof(segment, fc.constantFrom('*', '+')), { minLength: 1, maxLength: 4 })
  .map((all) => all.join('.'))
  .filter((pattern) => patternFault(pattern) === undefined);

/** As a server matches: `*` one token, `>` at the end one or more. */
function matchesSubject(filter: string, subject: string): boolean {
  const wanted = filter.split('.');
  const tokens = subject.split('.');
  for (const [at, token] of wanted.entries()) {
    if (token === '>' && at === wanted.length - 1) return tokens.length > at;
    if (tokens[at] === undefined || (token !== '*' && token !== tokens[at])) return false;
  }
  return wanted.length === tokens.length;
}

describe('a topic as a subject', () => {
  test('property: is a subject without wildcards, and has the topic', () => {
    fc.assert(
      fc.property(topics, (topic) => {
        expect(topicFault(topic)).toBeUndefined();
        const subject = subjects.of(topic);
        expect(subject.startsWith('prefix.7.')).toBe(true);
        expect(subject.split('.').every((token) => token !== '' && !/[*>]/.test(token))).toBe(true);
        expect(subjects.topicOf(subject)).toBe(topic);
      }),
    );
  });

  test('property: matches the subject of every pattern that the topic matches', () => {
    fc.assert(
      fc.property(patterns, topics, (pattern, topic) => {
        fc.pre(matchesPattern(pattern, topic));
        expect(matchesSubject(subjects.ofPattern(pattern), subjects.of(topic))).toBe(true);
      }),
    );
  });

  test('keeps topics apart that differ by an escape', () => {
    const all = ['>', '%3E', '%253E', '%25', '%'].map((topic) => subjects.of(topic));
    expect(all).toEqual(
      ['%3E', '%253E', '%25253E', '%2525', '%25'].map((one) => `prefix.7.${one}`),
    );
  });
});

test('a delivery tells its sequence, its number and its time, also in a domain', () => {
  const expected = { sequence: 1511, number: 3, timestamp: 1796028487093 };
  const rest = 'S0.IeXtrecP.1.1511.3.1796028487093019705.148489';
  expect(deliveredBy(`$JS.ACK.${rest}`)).toEqual(expected);
  expect(deliveredBy(`$JS.ACK.domain.account.${rest}.x1`)).toEqual(expected);
  expect(deliveredBy('$JS.FC.S0.x')).toBeUndefined();
  expect(deliveredBy('')).toBeUndefined();
});

test('versions of servers are compared by their numbers', () => {
  const older = ['2.8.4', '1.11.0', '2.9.0-beta'].map((version) => isBefore(version, '2.9.1'));
  expect(older).toEqual([true, true, true]);
  const newer = ['2.9.1', '2.10.0', '2.12.1-RC.2', '3.0.0'];
  expect(newer.map((version) => isBefore(version, '2.9.1'))).toEqual(newer.map(() => false));
});
