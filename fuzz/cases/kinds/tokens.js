import { createHmac } from 'node:crypto';
import { checkRefusal, hold, shown } from '../hold.js';
import { mutateText } from '../texts.js';
import { mutateJson, someJson } from '../values.js';

/**
 * Tokens. Nothing but a token whose signature is right and whose claims are in order gets in, whatever its header says;
 * and an API key only as a whole. A case is `{ token }`, a text, or `{ header, claims, key }`, which is signed.
 */

const SECRET = 'a secret of more than thirty-two bytes';
const NOW = 1_770_000_000_000;
const SECONDS = NOW / 1000;
const HEADER = { alg: 'HS256', typ: 'JWT' };
const CLAIMS = {
  ...{ iss: 'issuer', aud: 'millrace', sub: 'ada', exp: SECONDS + 60, iat: SECONDS, jti: 'one' },
  millrace: { publish: ['u.{sub}.*'], subscribe: ['a.*', { pattern: 'b', redact: ['$.card'] }] },
};
const ALGORITHMS = ['none', 'None', 'HS512', 'RS256', 'ES256', 'hs256', '', null];
const EXPIRIES = [
  SECONDS,
  SECONDS + 1,
  SECONDS - 1,
  1e300,
  '1e400',
  8.64e12 + 1,
  -1,
  0,
  null,
  'soon',
];

export async function open(load) {
  const { JwtVerifier } = await load('auth/jwt-verifier.js');
  const apiKeys = await load('auth/api-key.js');
  const faults = [];
  const options = { secret: SECRET, issuer: 'issuer', audience: ['millrace', 'other'] };
  const verifier = JwtVerifier.open(options, { log: () => {}, now: () => NOW }, faults);
  hold(verifier !== undefined, () => shown(faults));
  const isCase = ({ token, header, claims, isGood }) =>
    !isGood && (token !== undefined || (header && claims) !== undefined);
  return { make, isCase, check: (one) => check(one, verifier, apiKeys) };
}

function make(random, pool) {
  const kind = random.below(6);
  if (kind === 0) {
    const token = mutateText(random, signed(HEADER, CLAIMS, SECRET), random.pick(pool).token);
    return { token };
  }
  if (kind === 1)
    return { token: mutateText(random, `mr_0123456789abcdef_${'k'.repeat(43)}`, 'mr_') };
  const key = random.chance(0.85)
    ? SECRET
    : random.pick(['', `${SECRET} `, 'another secret of thirty-two bytes!']);
  if (kind === 2 && random.chance(0.3)) {
    return { header: HEADER, claims: CLAIMS, key: SECRET, isGood: true };
  }
  if (kind === 2)
    return { header: { ...HEADER, alg: random.pick(ALGORITHMS) }, claims: CLAIMS, key };
  if (kind === 3) return { header: HEADER, claims: { ...CLAIMS, exp: random.pick(EXPIRIES) }, key };
  const header = random.chance(0.8) ? HEADER : mutateJson(random, HEADER, ['crit']);
  return { header, claims: mutateJson(random, CLAIMS, someJson(random, 2)), key };
}

function signed(header, claims, key) {
  const encode = (value) => Buffer.from(JSON.stringify(value) ?? 'null').toString('base64url');
  const content = `${encode(header)}.${encode(claims)}`;
  return `${content}.${createHmac('sha256', key).update(content).digest('base64url')}`;
}

async function check({ token, header, claims, key, isGood = false }, verifier, { apiKeyId }) {
  const given = token ?? signed(header, claims, key);
  const id = apiKeyId(given);
  const isKey = /^mr_[0-9a-z]{16}_[\w-]{43}$/.test(given) && given.length === 63;
  hold((id !== undefined) === isKey, () => `the id of ${shown(given)} is ${id}`);
  let principal;
  try {
    principal = await verifier.authenticate(given);
  } catch (error) {
    checkRefusal(['UNAUTHENTICATED'], error);
    const { message } = error;
    const parts = given.split('.').filter((part) => part.length > 12);
    hold(
      !parts.some((part) => message.includes(part)),
      () => `the message has the token: ${message}`,
    );
    hold(
      !isGood && message.length < 20_000,
      () => `refused: ${message.length} characters, ${message}`,
    );
    return;
  }
  checkAccepted(given, principal);
}

/** By the token's own parts: no other algorithm, no other key, and claims in order. */
function checkAccepted(given, principal) {
  const [head, body, signature, ...more] = given.split('.');
  hold(more.length === 0, 'a token of more than three parts is taken');
  const header = JSON.parse(Buffer.from(head, 'base64url').toString());
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString());
  hold(header.alg === 'HS256', () => `alg ${shown(header.alg)} is taken`);
  const right = createHmac('sha256', SECRET).update(`${head}.${body}`).digest();
  hold(right.equals(Buffer.from(signature, 'base64url')), 'a wrong signature is taken');
  const { iss, aud, sub, exp, nbf } = claims;
  hold(iss === 'issuer' && [aud].flat().some((one) => one === 'millrace' || one === 'other'), () =>
    shown(claims),
  );
  hold(
    Number(exp) * 1000 > NOW && (nbf === undefined || nbf <= SECONDS + 5),
    () => `exp ${exp}, nbf ${nbf}`,
  );
  hold(
    principal.name === sub && sub !== '',
    () => `the principal of ${shown(sub)} is ${principal.name}`,
  );
  const grants = claims.millrace?.publish ?? [];
  if (principal.mayPublish?.('u.eve.x') === true)
    hold(
      grants.some((one) => !one.startsWith('u.{')),
      'another place',
    );
}
