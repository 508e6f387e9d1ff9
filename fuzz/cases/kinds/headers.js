import { checkRefusal, hold, shown } from '../hold.js';
import { mutateText, oddText } from '../texts.js';

/**
 * Headers and addresses of requests as the gateway reads them: queries, media types, `Accept`, origins, proxies; and the
 * masks of texts that people see. A case is `{ what, text }`.
 */

const QUERIES = [
  '/v1/events?topic=a.+&since=2026-01-31T12:00:00%2B01:00&limit=5',
  '/x?a=1&a=2&b',
  '/x?%zz',
  '/?&&=&a==b',
];
const TYPES = [
  'application/json; charset=UTF-8',
  'text/json',
  'application/x.y+json;a="b;c"',
  '',
  ';',
  'a/b',
];
const ACCEPTS = [
  '*/*',
  'application/json;q=0.5, text/*;q=1',
  'application/x-ndjson',
  'text/html;q=0',
  ';q=',
  'a/b;q=1e3',
];
const ORIGINS = [
  'https://app.example',
  'https://*.example.com',
  'null',
  'capacitor://localhost',
  'http://a:80',
  'file://',
];
const ADDRESSES = [
  '10.0.0.1, 192.168.0.1',
  '[::1]:80',
  'unknown',
  '1.2.3.4:5, ::ffff:10.0.0.1',
  '',
  'fe80::1%eth0',
];
const TEXTS = [
  ...[
    'POST https://ada:pw@hooks.example/T0/abcDEF0123456789abcd?x=1#y failed',
    'bearer eyJhbGciOi.eyJ.x',
  ],
  ...[
    'whsec_AAAA== and mr_0123456789abcdef_kkkk',
    'redis://:pw@host',
    'ada:pw@host',
    'http://[::1',
  ],
];
const BY_KIND = {
  query: QUERIES,
  type: TYPES,
  accept: ACCEPTS,
  origin: ORIGINS,
  proxy: ADDRESSES,
  mask: TEXTS,
};
const OFFERED = ['application/json', 'application/x-ndjson'];

export async function open(load) {
  const product = {};
  for (const file of [
    ...['gateway/http/parameters.js', 'gateway/http/media-types.js', 'gateway/origins.js'],
    ...['gateway/trusted-proxies.js', 'protocol/masked-text.js'],
  ]) {
    Object.assign(product, await load(file));
  }
  const isCase = ({ what, text }) => Object.hasOwn(BY_KIND, what ?? '') && text !== undefined;
  return { make, isCase, check: ({ what, text }) => CHECKS[what](text, product) };
}

function make(random, pool) {
  const what = random.pick(Object.keys(BY_KIND));
  const other = random.chance(0.5) ? random.pick(pool).text : random.pick(BY_KIND[what]);
  const text = random.chance(0.9) ? random.pick(BY_KIND[what]) : oddText(random, 12);
  const changed = mutateText(random, text, other);
  return { what, text: random.chance(0.02) ? changed.repeat(1 + random.below(200)) : changed };
}

const CHECKS = {
  query(text, { Parameters }) {
    let parameters;
    try {
      parameters = new Parameters(text);
    } catch (error) {
      checkRefusal(['QUERY_INVALID'], error);
      return;
    }
    const start = text.indexOf('?');
    const pairs = (start < 0 ? '' : text.slice(start + 1)).split('&').filter((one) => one !== '');
    const topics = parameters.all('topic') ?? [];
    const raw = pairs.filter((one) => decodeURIComponent(one.split('=', 1)[0]) === 'topic');
    const expected = raw.map((one) =>
      decodeURIComponent(one.includes('=') ? one.slice(one.indexOf('=') + 1) : ''),
    );
    hold(
      topics.join('\n') === expected.join('\n'),
      () => `topics ${shown(topics)}, not ${shown(expected)}`,
    );
  },
  type(text, { parseMediaType, isJsonType }) {
    const { name, charset } = parseMediaType(text);
    hold(name === name.toLowerCase() && name === name.trim(), () => shown(name));
    hold(charset === undefined || typeof charset === 'string', () => shown(charset));
    hold(!isJsonType(name) || /json$/.test(name), () => `${name} is JSON`);
  },
  accept(text, { negotiate }) {
    let chosen;
    try {
      chosen = negotiate(text, OFFERED);
    } catch (error) {
      hold(error.status === 406 && error.code === 'MESSAGE_INVALID', () => `${error.stack}`);
      return;
    }
    hold(OFFERED.includes(chosen), () => `${chosen} was not offered`);
  },
  origin(text, { AllowedOrigins, isOrigin }) {
    const all = new AllowedOrigins(['https://*.example.com', 'https://app.example']);
    if (all.has(text)) {
      const isOwn =
        text === 'https://app.example' || new URL(text).hostname.endsWith('.example.com');
      hold(isOwn && new URL(text).origin === text.toLowerCase(), () => `${shown(text)} is allowed`);
    }
    if (!isOrigin(text)) return;
    hold(
      text.includes('*') || new AllowedOrigins([text]).has(text),
      () => `${shown(text)} is not itself`,
    );
  },
  proxy(text, { TrustedProxies, isProxy }) {
    isProxy(text);
    const proxies = new TrustedProxies(['loopback', '10.0.0.0/8']);
    const headers = {
      'x-forwarded-for': text,
      'x-forwarded-proto': text,
      'x-forwarded-host': text,
    };
    const far = proxies.peerOf({ socket: { remoteAddress: '8.8.8.8' }, headers });
    hold(
      far.address === '8.8.8.8' && far.scheme === undefined,
      () => `a stranger is believed: ${shown(far)}`,
    );
    const { address, scheme } = proxies.peerOf({ socket: { remoteAddress: '::1' }, headers });
    hold(['http', 'https', undefined].includes(scheme), () => `scheme ${shown(scheme)}`);
    hold(/^(unknown|[\da-f.:]+)$/.test(address), () => `address ${shown(address)}`);
  },
  mask(text, { maskedText, maskedTarget }) {
    for (const mask of [maskedText, maskedTarget]) {
      const masked = mask(text, 200);
      hold(masked.length <= 200 && (masked.isWellFormed() || !text.isWellFormed()), () =>
        shown(masked),
      );
    }
    for (const secret of text.match(/(?<![\w-])mr_[0-9a-z]{16}_[A-Za-z0-9]{4,}/g) ?? []) {
      hold(!maskedText(text, 10_000).includes(secret), () => `${secret} is shown`);
    }
  },
};
