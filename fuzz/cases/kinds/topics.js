import { attempt, hold, shown } from '../hold.js';
import { longText, mutateText, oddText } from '../texts.js';

/** Topics and patterns as text: which are well-formed, and which shard owns a topic. A case is a text. */

const SEGMENTS = [
  'a',
  'orders',
  'x-1',
  '$sys',
  '$',
  '*',
  '+',
  '#',
  '>',
  'é',
  '中文',
  '😀',
  'a*',
  '+b',
  '',
];
const LITERAL = /^[^\s\p{Cc}.*+]+$/u;

export async function open(load) {
  const topic = await load('protocol/topic.js');
  const hash = await load('protocol/topic-hash.js');
  return { make, check: (text) => check(text, topic, hash) };
}

export function someTopic(random) {
  let text = random.pick(SEGMENTS);
  for (let left = random.pick([0, 0, 1, 1, 2, 2, 3, 14, 15, 16]); left > 0; left--) {
    text += `.${random.pick(SEGMENTS)}`;
  }
  return text;
}

function make(random, pool) {
  const kind = random.below(8);
  if (kind === 0) return oddText(random, 6);
  if (kind === 1) return random.chance(0.3) ? longText(random) : `a.${oddText(random, 3)}`;
  const text = kind < 5 ? someTopic(random) : random.pick(pool);
  return kind % 2 === 0 ? text : mutateText(random, text, random.pick(pool));
}

function check(text, topic, hash) {
  const segments = text.split('.');
  const fits =
    Buffer.byteLength(text) <= 255 && text.isWellFormed() && segments.length <= 16 && text !== '';
  const isTopic = fits && segments.every((one) => LITERAL.test(one));
  const isPattern =
    fits &&
    segments.every(
      (one) => one === '*' || one === '+' || (LITERAL.test(one) && one !== '#' && one !== '>'),
    );
  compare('topicFault', topic.topicFault(text), isTopic, text);
  compare('publishTopicFault', topic.publishTopicFault(text), isTopic && text[0] !== '$', text);
  compare('patternFault', topic.patternFault(text), isPattern, text);
  const { error } = attempt(['TOPIC_INVALID'], () => topic.assertTopic(text));
  hold((error === undefined) === isTopic, () => `assertTopic of ${shown(text)}`);
  const { error: refused } = attempt(['PATTERN_INVALID'], () => topic.assertPattern(text));
  hold((refused === undefined) === isPattern, () => `assertPattern of ${shown(text)}`);
  if (!isTopic) return;
  hold(topic.matchesPattern(text, text), () => `${shown(text)} does not match itself`);
  // The plain hash is slow.
  if (text.length % 8 > 1) return;
  const expected = plainHash(Buffer.from(text));
  hold(hash.topicHash(text) === expected, () => `the hash of ${shown(text)} is not ${expected}`);
  for (const segmentCount of [0, 1, 2, 16]) {
    const part = segmentCount === 0 ? text : segments.slice(0, segmentCount).join('.');
    const owner = plainHash(Buffer.from(part)) % 7;
    hold(
      hash.shardOf(text, 7, segmentCount) === owner,
      () => `shardOf ${shown(text)}, ${segmentCount}`,
    );
  }
}

function compare(name, fault, isGood, text) {
  hold(
    (fault === undefined) === isGood,
    () => `${name} of ${shown(text)}: ${fault}, and it should be ${isGood ? 'good' : 'refused'}`,
  );
  hold(
    fault === undefined || (typeof fault === 'string' && fault.length < 700),
    `${name}: its length`,
  );
}

/** As `topic-hash.ts` describes it, over the bytes. */
function plainHash(bytes) {
  const multiply = (a, b) => Number((BigInt(a) * BigInt(b)) & 0xffffffffn);
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = multiply((hash ^ byte) >>> 0, 0x01000193);
  hash = multiply((hash ^ (hash >>> 16)) >>> 0, 0x85ebca6b);
  hash = multiply((hash ^ (hash >>> 13)) >>> 0, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
