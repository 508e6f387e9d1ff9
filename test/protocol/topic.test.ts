import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BusError } from '../../src/protocol/errors.js';
import {
  assertPattern,
  assertPublishTopic,
  assertTopic,
  matchesPattern,
  patternFault,
  publishTopicFault,
  topicFault,
} from '../../src/protocol/topic.js';

const SIXTEEN = Array.from({ length: 16 }, (_, i) => `s${i}`).join('.');

describe('a topic', () => {
  it.each([
    'a',
    'worker.task.complete',
    SIXTEEN,
    'a'.repeat(255),
    'é'.repeat(127),
    'findings.größe.文件',
    'run.🚂.x',
    'a-b_c:d/e.#1',
    '$sys.shards',
    'a.$b',
    'a\u200db',
  ])('%j is valid', (topic) => {
    expect(topicFault(topic)).toBeUndefined();
    expect(patternFault(topic)).toBeUndefined();
  });

  it.each([
    ['', 'is empty'],
    ['.', 'segment 1 is empty (offset 0)'],
    ['a..b', 'segment 2 is empty (offset 2)'],
    ['.a', 'segment 1 is empty (offset 0)'],
    ['a.', 'segment 2 is empty (offset 2)'],
    ['a b', 'segment 1 has whitespace or a control character (U+0020 at offset 1)'],
    ['a.b\n', '(U+000A at offset 3)'],
    ['a\u0000', '(U+0000 at offset 1)'],
    ['a\u007f', '(U+007F at offset 1)'],
    ['a\u0085', '(U+0085 at offset 1)'],
    ['a.\u00a0', '(U+00A0 at offset 2)'],
    ['a\u2003b', '(U+2003 at offset 1)'],
    ['a\ufeff', '(U+FEFF at offset 1)'],
    ['a.*', 'the wildcard "*" at offset 2; a topic has none'],
    ['+', 'the wildcard "+" at offset 0; a topic has none'],
    [`${SIXTEEN}.x`, 'has 17 segments; 16 is the limit'],
    ['a'.repeat(256), 'longer than 255 bytes'],
    ['é'.repeat(128), 'longer than 255 bytes'],
    ['a\ud83d.b', 'half a surrogate pair at offset 1'],
    ['\ude82', 'half a surrogate pair at offset 0'],
  ])('%j is invalid, and the reason says where', (topic, reason) => {
    expect(topicFault(topic)).toContain(reason);
    expect(() => assertTopic(topic)).toThrow(
      expect.objectContaining({ code: 'TOPIC_INVALID', message: expect.stringContaining(reason) }),
    );
  });

  it.each([
    [undefined, 'topic undefined is not a string'],
    [null, 'topic null is not a string'],
    [7, 'topic 7 is not a string'],
    [['a'], 'topic an array is not a string'],
    [Symbol('a'), 'topic a symbol is not a string'],
    [{ toString: () => 'a' }, 'topic an object is not a string'],
  ])('%s is invalid', (topic, reason) => {
    expect(topicFault(topic)).toBe(reason);
  });

  it('that starts with $ cannot be published to', () => {
    expect(publishTopicFault('$sys.stats')).toContain('belong to the bus');
    expect(publishTopicFault('$')).toContain('belong to the bus');
    expect(publishTopicFault('a.$b')).toBeUndefined();
    expect(() => assertPublishTopic('$sys')).toThrow(BusError);
    expect(() => assertTopic('$sys')).not.toThrow();
  });

  it('is cut short in a message if it is long', () => {
    const fault = topicFault('x'.repeat(1_000_000))!;
    expect(fault.length).toBeLessThan(250);
    expect(fault).toContain('(1000000 characters)');
  });

  it('is accepted or refused by the rules, for any text', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), anyTopicLike()),
        (text) => {
          expect(topicFault(text) === undefined).toBe(isTopicByTheRules(text));
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('a pattern', () => {
  it.each(['*', '+', 'a.*', 'a.+.c', '*.b', '*.*', '+.+', '$sys.*', '$sys.+.x'])(
    '%j is valid',
    (pattern) => {
      expect(patternFault(pattern)).toBeUndefined();
    },
  );

  it.each([
    ['a*', 'the wildcard "*" at offset 1; a wildcard is a whole segment'],
    ['a.b+', 'the wildcard "+" at offset 3; a wildcard is a whole segment'],
    ['**', 'the wildcard "*" at offset 0; a wildcard is a whole segment'],
    ['a.#', 'segment 2 is "#", which is no wildcard here: "*" at the end'],
    ['a.>', 'segment 2 is ">", which is no wildcard here: "*" at the end'],
    ['#', 'segment 1 is "#"'],
    ['a..*', 'segment 2 is empty'],
    ['', 'is empty'],
    [5, 'pattern 5 is not a string'],
  ])('%j is invalid, and the reason says where', (pattern, reason) => {
    expect(patternFault(pattern)).toContain(reason);
    expect(() => assertPattern(pattern)).toThrow(
      expect.objectContaining({ code: 'PATTERN_INVALID' }),
    );
  });
});

describe('a pattern matches', () => {
  it.each([
    ['a.b', 'a.b', true],
    ['a.b', 'a.b.c', false],
    ['a.b', 'a', false],
    ['a.+', 'a.b', true],
    ['a.+', 'a', false],
    ['a.+', 'a.b.c', false],
    ['+.b', 'a.b', true],
    ['*.b', 'a.b', true],
    ['*.b', 'a.c.b', false],
    ['a.*.c', 'a.b.c', true],
    ['a.*.c', 'a.b.b.c', false],
    ['worker.*', 'worker.task', true],
    ['worker.*', 'worker.task.complete', true],
    ['worker.*', 'worker', false],
    ['*', 'a', true],
    ['*', 'a.b.c', true],
    ['*', '$sys', false],
    ['*', '$sys.x', false],
    ['+', '$sys', false],
    ['+.x', '$sys.x', false],
    ['*.x', '$sys.x', false],
    ['$sys.*', '$sys.x.y', true],
    ['$sys.+', '$sys.x', true],
    ['a.*', 'a.$b', true],
    ['a.+', 'a.$b', true],
    ['A', 'a', false],
  ])('%j against %j: %s', (pattern, topic, expected) => {
    expect(matchesPattern(pattern, topic)).toBe(expected);
  });
});

function anyTopicLike(): fc.Arbitrary<string> {
  const unit = fc.constantFrom('a', 'é', '.', '$', '文', '🚂', ' ', '\u00a0', '*', '+', '\ud83d');
  return fc.string({
    unit: fc.oneof({ weight: 20, arbitrary: fc.constant('b') }, unit),
    maxLength: 40,
  });
}

/** The rules of the contract once more, with other means. */
function isTopicByTheRules(text: string): boolean {
  const segments = text.split('.');
  return (
    segments.length <= 16 &&
    Buffer.byteLength(text) <= 255 &&
    Buffer.from(text).toString() === text &&
    segments.every((segment) => segment.length > 0 && !/[\s*+]|\p{Cc}/u.test(segment))
  );
}
