import { hold, shown } from '../hold.js';
import { mutateText } from '../texts.js';
import { mutateJson, put, someJson, strangeJson } from '../values.js';

/**
 * Files that people write: the config file, the keys file, the file of revoked tokens. All faults are told, as texts of
 * a bounded length, and no fault has a secret in it; a file without a fault is read again from what it was read as. A
 * case is `{ file, text }`.
 */

const SECRET = 'zcgjXXsecretXXqpw0123456789abcdefZZ';
const KEY = `mr_0123456789abcdef_${'k'.repeat(43)}`;
const event = { topic: 'jobs.report', type: 'job_due', payload: null };
const CONFIG = {
  ...{ server: 'http://127.0.0.1:7400', token: KEY, timeout: '10s', dir: './data', shards: 2 },
  ...{
    retention: [{ pattern: 'a.*', maxAgeMs: 5 }],
    noPersistTopics: ['a.*'],
    systemEvents: { persist: true },
  },
  ...{
    alerts: [{ name: 'quiet', when: 'no event on orders.* for 5 min' }],
    port: 7400,
    host: '127.0.0.1',
  },
  ...{
    schedules: { report: { cron: '0 9 * * 1-5', event } },
    tls: { certFile: 'c', keyFile: 'k', passphrase: SECRET },
  },
  auth: {
    ...{ keysFile: 'keys.json', anonymous: { subscribe: ['news.*'] }, revokedFile: 'revoked' },
    jwt: { secret: SECRET, issuer: 'i', audience: ['a'], algorithms: ['HS256'] },
  },
  archive: { dir: './archive', segmentMs: 1000 },
  ...{
    allowedOrigins: ['https://a.example'],
    trustedProxies: ['loopback'],
    logLevel: 'info',
    sinks: [],
  },
};
const KEYS = {
  version: 1,
  keys: [
    {
      ...{ id: '0123456789abcdef', name: 'shop', hash: `sha256:${'0a'.repeat(32)}` },
      ...{ createdAt: '2026-01-31T12:00:00Z', expiresAt: '2027-01-31T12:00:00+01:00' },
      ...{ publish: ['orders.*', 'u.{sub}.*'], consume: ['mailer'], admin: [], source: 'shop' },
      ...{
        subscribe: ['a', { pattern: 'b.*', redact: ['$.card', "$..['pin']"] }],
        redact: ['$.x'],
      },
      rates: { publishPerSecond: 5 },
    },
  ],
};
const REVOKED =
  '# JWTs that are revoked\ntoken-1 2027-01-31T12:00:00Z\n\ntoken-2\ntoken-3 # a note\n';

export async function open(load) {
  const product = {};
  for (const file of [
    'cli/config-schema.js',
    'auth/keys-file.js',
    'auth/revoked-file.js',
    'auth/auth-options.js',
  ]) {
    Object.assign(product, await load(file));
  }
  const isCase = ({ file, text, isGood }) => !isGood && file !== undefined && text !== undefined;
  return { make, isCase, check: (one) => CHECKS[one.file](one.text, product, one.isGood) };
}

function make(random, pool) {
  const file = random.pick(['config', 'config', 'keys', 'revoked']);
  const other = random.pick(pool).text;
  if (file === 'revoked') return { file, text: mutateText(random, REVOKED, other) };
  const base = file === 'config' ? part(random) : KEYS;
  const kind = random.below(6);
  if (random.chance(0.02)) return { file, text: JSON.stringify(base), isGood: file === 'keys' };
  if (kind === 0) return { file, text: mutateText(random, JSON.stringify(base), other) };
  const changed = mutateJson(random, base, random.chance(0.5) ? someJson(random, 2) : KEY);
  const twice = kind < 3 ? mutateJson(random, changed, SECRET) : changed;
  return { file, text: kind < 5 ? JSON.stringify(twice) : strangeJson(random, twice) };
}

/** Some settings, so that one fault does not stand beside many others. */
function part(random) {
  const made = {};
  for (const key of Object.keys(CONFIG)) if (random.chance(0.3)) put(made, key, CONFIG[key]);
  return made;
}

const CHECKS = {
  config(text, { parseConfig, parseAuthOptions }) {
    const value = jsonOf(text);
    if (value === undefined) return;
    const { config, faults } = parseConfig(value);
    checkFaults(faults, /^(?:auth|tls|token)/);
    if (config === undefined) return;
    const again = parseConfig(JSON.parse(JSON.stringify(config)));
    hold(
      again.faults === undefined,
      () => `a config that was read is refused: ${shown(again.faults)}`,
    );
    if (config.auth !== undefined) parseAuthOptions(config.auth);
  },
  keys(text, { parseKeysFile, keysFileText }, isGood = false) {
    const faults = [];
    const keys = parseKeysFile(text, faults);
    hold(!isGood || keys !== undefined, () => `a good file is refused: ${shown(faults)}`);
    hold(
      (keys === undefined) === faults.length > 0,
      () => `keys ${shown(keys)}, faults ${shown(faults)}`,
    );
    checkFaults(faults.map(({ path, message }) => `${path}: ${message}`));
    if (keys === undefined) return;
    const again = parseKeysFile(keysFileText(keys), []);
    hold(JSON.stringify(again) === JSON.stringify(keys), () => `keys read again: ${shown(again)}`);
    for (const { createdAt, expiresAt } of keys) checkTimes([createdAt, expiresAt]);
  },
  revoked(text, { parseRevokedFile, revokedFileText }) {
    const faults = [];
    const tokens = parseRevokedFile(text, faults);
    hold((tokens === undefined) === faults.length > 0, () => `faults ${shown(faults)}`);
    checkFaults(faults.map(({ path, message }) => `${path}: ${message}`));
    if (tokens === undefined) return;
    const again = parseRevokedFile(revokedFileText(tokens), []);
    hold(
      JSON.stringify(again) === JSON.stringify(tokens),
      () => `tokens read again: ${shown(again)}`,
    );
    checkTimes(tokens.map(({ expiresAt }) => expiresAt));
  },
};

/** @param {RegExp} secrets the faults of places in which secrets stand */
function checkFaults(faults = [], secrets = /^/) {
  for (const fault of faults) {
    hold(typeof fault === 'string' && fault !== '', () => `a fault is ${shown(fault)}`);
    hold(fault.length < 5000, () => `a fault of ${fault.length} characters: ${shown(fault)}`);
  }
  const all = faults.filter((fault) => secrets.test(fault)).join('\n');
  hold(!all.includes('k'.repeat(20)), () => `a fault has a key in it: ${shown(all)}`);
}

/** A time that is taken is on a day that there is. */
function checkTimes(times) {
  for (const time of times) {
    const wall = time?.slice(0, 19);
    const isThere = time === undefined || new Date(`${wall}Z`).toJSON()?.startsWith(wall);
    hold(isThere, () => `${time} is taken for a time`);
  }
}

function jsonOf(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
