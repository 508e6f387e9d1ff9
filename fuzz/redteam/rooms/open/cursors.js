import assert from 'node:assert/strict';
import { assertUntold, until } from '../../stage/stage.js';
import { OpenAnswer } from '../../stage/streams.js';

/** Reading from a place in the log that somebody else was told, or that nobody was. */

const VERSION = 1;

function varint(value) {
  const bytes = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return [...bytes, rest];
}

/** A cursor of these bytes. Its checksum has no key, so an attacker can compute it. */
function signed(bytes) {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  const checksum = [0, 8, 16, 24].map((shift) => (hash >>> shift) & 0xff);
  return Buffer.from([...bytes, ...checksum]).toString('base64url');
}

const forged = (epoch, positions) =>
  signed([
    VERSION,
    epoch.length,
    ...Buffer.from(epoch),
    positions.length,
    ...positions.flatMap(varint),
  ]);

/** The epoch and the positions of a cursor of this server. */
function read(cursor) {
  const bytes = Buffer.from(cursor, 'base64url');
  return { epoch: bytes.subarray(2, 2 + bytes[1]).toString() };
}

/** Everything that a stream or an answer tells that starts behind a cursor, until a mark has come. */
async function told(stage, cursor, mark, way) {
  const topics = 'topic=mallory.*&topic=public.*';
  const base = { token: stage.tokens.mallory };
  const streams = {
    'Last-Event-ID': { path: `?${topics}`, headers: { 'last-event-id': cursor } },
    lastEventId: { path: `?${topics}&lastEventId=${encodeURIComponent(cursor)}` },
    from: { path: `?${topics}&from=after:${encodeURIComponent(cursor)}` },
  };
  if (way === 'query') {
    const path = `/v1/events?${topics}&limit=10000&after=${encodeURIComponent(cursor)}`;
    const { status, text } = await stage.ask('mallory', { path });
    return { status, text };
  }
  const { path, headers } = streams[way];
  const answer = OpenAnswer.open(stage.port, {
    ...base,
    path: `/v1/events/stream${path}`,
    ...(headers && { headers }),
  });
  const status = await answer.begun;
  if (status === 200) {
    // A stream may begin behind all that there is.
    await stage.publish('mallory', { topic: 'mallory.mark', payload: mark });
    const isOver = () => answer.text.includes(mark) || answer.text.includes('event: ended');
    await until('the mark comes', isOver);
  } else await answer.ended;
  await answer.close();
  return { status, text: answer.text };
}

const WAYS = ['Last-Event-ID', 'lastEventId', 'from', 'query'];

export const attacks = [
  {
    name: 'cursors of others, and cursors that nobody was given',
    wants: 'events of others, or a server that stops at a place that is none',
    async play(stage) {
      const secret = stage.fresh('secret');
      const mark = stage.fresh('mark');
      const [{ shard }] = await stage.publish('alice', { topic: 'alice.diary', payload: secret });
      const alice = await stage.socket('alice');
      const { cursor } = await alice.one('subscribe', { subscription: 's', filter: 'alice.*' });
      await stage.publish('alice', { topic: 'alice.diary', payload: secret });
      await stage.publish('mallory', { topic: 'mallory.mark', payload: mark });
      const { epoch } = read(cursor);
      const most = Number.MAX_SAFE_INTEGER;
      const cursors = {
        alices: cursor,
        'the beginning': forged(epoch, [0, 0]),
        'before what alice has published': forged(epoch, shard === 0 ? [0, 1] : [1, 0]),
      };
      for (const [what, one] of Object.entries(cursors)) {
        for (const way of WAYS) {
          const { status, text } = await told(stage, one, mark, way);
          assert.equal(status, 200, `${what}, by ${way}: ${text}`);
          assert.ok(text.includes(mark), `${what}, by ${way}: ${text.slice(0, 300)}`);
          assertUntold(text, [secret, 'alice.diary'], `${what}, by ${way},`);
        }
      }
      const odd = {
        'far ahead': forged(epoch, [most, most]),
        'too many shards': forged(epoch, [0, 0, 0]),
        'too few': forged(epoch, [0]),
        none: forged(epoch, []),
        'another epoch': forged('x'.repeat(epoch.length), [0, 0]),
        'a long epoch': forged('x'.repeat(255), [0, 0]),
        'an epoch of commands': forged('`$(reboot)`<b>', [0, 0]),
        'a number beyond all': signed([VERSION, 1, 120, 2, ...Array(20).fill(255), 1, 0]),
        'a number that does not end': signed([VERSION, 1, 120, 2, 255, 255]),
        'another version': signed([9, 1, 120, 1, 0]),
        'no bytes': '',
        long: 'A'.repeat(8000),
        'not base64': '../../etc/passwd',
      };
      for (const [what, one] of Object.entries(odd)) {
        for (const way of WAYS) {
          const { status, text } = await told(stage, one, mark, way);
          const isServed = status === 200;
          assert.ok(isServed || (status >= 400 && status < 500), `${what}, by ${way}: ${status}`);
          assert.doesNotMatch(text, /INTERNAL/, `${what}, by ${way}`);
          assertUntold(text, [secret, 'alice.diary'], `${what}, by ${way},`);
        }
      }
    },
  },
];
