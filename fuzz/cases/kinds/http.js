import { requestBytes, requestRaw } from '../doors/raw-request.js';
import { Server } from '../doors/server.js';
import { hold, shown } from '../hold.js';
import { mutateText } from '../texts.js';
import { mutateJson, someJson, strangeJson } from '../values.js';

/**
 * Requests over HTTP to a real gateway, each over a socket of its own: methods, paths, queries, headers, and bodies of
 * every type, in chunks or not. Each is answered with a documented status and code, and never with 500. A case is
 * `{ method, target, headers, body, chunks, isGood }`, or `{ raw }`, the text of a whole request.
 */

const event = { topic: 'shop.new', type: 'order_created', payload: { total: 12, é: ['😀'] } };
const cloudEvent = {
  specversion: '1.0',
  source: 's',
  type: 't',
  subject: 'shop.new',
  data: { a: 1 },
};
const METHODS = ['GET', 'GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH', 'TRACE', 'FOO'];
const TARGETS = [
  ...[
    '/v1/events?topic=shop.*',
    '/v1/events?topic=*&limit=2&reverse',
    '/v1/events/one?topic=shop.new',
    '/v1/topics',
  ],
  ...[
    '/v1/events?topic=shop.new&type=a&source=b&attribute=k%3Dv&correlationId=c',
    '/v1/events/stream?topic=shop.*',
  ],
  ...[
    '/v1/subscribers?topic=shop.new',
    '/v1/stats',
    '/v1/figures?after=0',
    '/v1/access',
    '/v1/definitions',
  ],
  ...[
    '/v1/connections',
    '/v1/alerts',
    '/v1/consumers',
    '/v1/scheduled?topic=shop.*',
    '/v1/schedules',
    '/livez',
  ],
  ...[
    '/readyz?verbose',
    '/metrics',
    '/',
    '/v1',
    '/events',
    '/v1/events?topic=shop.*&since=2026-01-31T12:00:00Z',
  ],
  ...[
    '/v1/events?topic=shop.new&after=AQFl',
    '/v1/events/stream?topic=shop.*&from=last:2&format=cloudevents',
  ],
];
const DEEPER = [
  '/v1/alerts/quiet',
  '/v1/consumers/mailer',
  '/v1/consumers/mailer/ack',
  '/v1/schedules/nightly',
  '/v1/request?timeoutMs=5',
];
const BODIES = {
  'application/json': [event, [event, event], { ...event, id: 'one', attributes: { k: 'v' } }],
  'application/cloudevents+json': [cloudEvent],
  'application/cloudevents-batch+json': [[cloudEvent, cloudEvent]],
};
const HEADERS = [
  ...[
    ['Accept', 'application/x-ndjson'],
    ['Accept', 'application/cloudevents+json'],
    ['Accept', ';q='],
    ['X-A', 'é'],
  ],
  ...[
    ['Millrace-Durability', 'written'],
    ['Millrace-Persist', 'false'],
    ['Millrace-Expect', 'none'],
    ['ce-id', '%ff'],
  ],
  ...[
    ['Authorization', 'Bearer a.b.c'],
    ['Origin', 'https://evil.example'],
    ['Sec-Fetch-Site', 'cross-site'],
  ],
  ...[
    ['Content-Encoding', 'gzip'],
    ['Content-Length', '5'],
    ['Transfer-Encoding', 'chunked'],
    ['Expect', '100-continue'],
  ],
  ...[
    ['Last-Event-ID', 'AQFl'],
    ['Upgrade', 'h2c'],
    ['Range', 'bytes=0-1'],
    ['Cookie', 'a'.repeat(9000)],
    ['Host', 'evil'],
  ],
];
const HONEST_EVERY = 50;
const STATUSES = [
  ...[
    200, 201, 204, 301, 304, 307, 308, 400, 401, 403, 404, 405, 406, 408, 409, 411, 412, 413, 414,
    415, 417, 421,
  ],
  ...[422, 426, 429, 431, 501, 503, 504, 505, 507],
];

export async function open(load) {
  const { ERROR_CODES } = await load('protocol/errors.js');
  const server = await Server.open(load);
  let cases = 0;
  const check = async (one) => {
    const bytes = one.raw === undefined ? requestBytes(one) : Buffer.from(one.raw);
    // It has no end.
    const isStream = (head) =>
      isStreamAsked(one) && /^content-type: .*\r\n/im.test(head) && / 200 /.test(head);
    const answer = await requestRaw(server.port, bytes, {
      isEnough: isStream,
      hangsUp: !isWhole(one),
    });
    checkAnswer(one, answer, ERROR_CODES);
    if (++cases % HONEST_EVERY === 0) await server.serveHonest();
  };
  const isCase = ({ raw, method, target, headers }) =>
    raw !== undefined || (method && target && headers) !== undefined;
  return { make, check, isCase, close: () => server.close() };
}

function make(random, pool) {
  const kind = random.below(8);
  if (kind < 3) return somePublish(random);
  const method = random.pick(METHODS);
  const target = random.pick(random.chance(0.8) ? TARGETS : DEEPER);
  const headers = Array.from({ length: random.below(3) }, () => random.pick(HEADERS));
  const one = { method, target, headers };
  if (random.chance(0.3)) one.body = strangeJson(random, someJson(random, 2));
  if (kind < 5) return one;
  if (kind < 7)
    return { ...one, target: cleanTarget(mutateText(random, target, random.pick(TARGETS))) };
  const base = random.chance(0.7)
    ? requestBytes(one).toString()
    : (random.pick(pool).raw ?? 'GET / HTTP/1.1\r\n\r\n');
  return {
    raw: mutateText(random, base, '\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n'),
  };
}

/** A target with a space or a line break in it would be another request; `raw` has those. */
function cleanTarget(target) {
  return `/${encodeURI(target.toWellFormed()).slice(1)}`.replaceAll('%25', '%');
}

function somePublish(random) {
  const type = random.pick([
    ...Object.keys(BODIES),
    'application/x-ndjson',
    'application/vnd.x+json',
    'text/plain',
  ]);
  const base = random.pick(BODIES[type] ?? BODIES['application/json']);
  const id = `f${random.below(1e9)}`;
  const named = base === cloudEvent ? { ...base, id } : base;
  const isMutated = random.chance(0.6);
  const value = isMutated ? mutateJson(random, named, someJson(random, 2)) : named;
  const lines =
    type === 'application/x-ndjson'
      ? [value, event].map((one) => JSON.stringify(one)).join('\n')
      : undefined;
  const json = lines ?? strangeJson(random, value);
  const body = isMutated && random.chance(0.1) ? mutateText(random, json, '{') : json;
  const headers = [['Content-Type', type]];
  if (random.chance(0.2)) headers.push(random.pick(HEADERS));
  if (random.chance(0.1))
    headers.push(['ce-specversion', '1.0'], ['ce-id', id], ['ce-source', 's'], ['ce-type', 't']);
  const isGood =
    !isMutated && base === event && type === 'application/json' && headers.length === 1;
  const one = { method: 'POST', target: '/v1/events', headers, body, isGood };
  return random.chance(0.3) ? { ...one, chunks: [1 + random.below(9), 1 + random.below(40)] } : one;
}

function isStreamAsked({ target = '' }) {
  return target.startsWith('/v1/events/stream');
}

/** Whether the request surely has the body that its headers tell of. */
function isWhole({ raw, headers }) {
  const telling = /^(?:content-length|transfer-encoding|expect|upgrade)$/i;
  return raw === undefined && !headers.some(([name]) => telling.test(name));
}

function checkAnswer(one, { head, body }, codes) {
  // Whoever hangs up may be left without an answer.
  if (head === '' && !isWhole(one)) return;
  const [, status] = /^HTTP\/1\.1 (\d{3}) [^\r\n]*\r\n/.exec(`${head}\r\n`) ?? [];
  hold(status !== undefined, () => `no answer but ${shown(head)} to ${shown(one)}`);
  const [, last] = /(?:^|\r\n)HTTP\/1\.1 (\d{3})/.exec(body) ?? [];
  const told = Number(status === '100' ? (last ?? 200) : status);
  hold(STATUSES.includes(told), () => `${told} to ${shown(one)}: ${shown(body)}`);
  hold(!one.isGood || told === 200, () => `a good publish is answered with ${told}: ${body}`);
  if (one.isGood)
    hold(
      acksIn(body).every(({ id, sequence }) => id !== '' && sequence > 0),
      () => shown(body),
    );
  hold(!/^x-injected/im.test(head), () => `a header was injected: ${shown(head)}`);
  // Of several answers to one raw text the body may be of another.
  if (
    one.raw !== undefined ||
    told < 400 ||
    !/^content-type: application\/json/im.test(head) ||
    one.method === 'HEAD'
  )
    return;
  const error = JSON.parse(body);
  hold(
    codes.includes(error.code) && error.code !== 'INTERNAL',
    () => `code ${error.code}: ${error.message}`,
  );
  hold(
    typeof error.message === 'string' && error.message.length < 2000,
    () => `a message of ${error.message?.length}`,
  );
}

function acksIn(body) {
  const acks = JSON.parse(body);
  hold(Array.isArray(acks) && acks.length > 0, () => `acks ${shown(body)}`);
  return acks;
}
