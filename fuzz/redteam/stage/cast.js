import { createHash, createHmac, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The principals of the attacks, and their keys, as an operator would write them into a keys file. `mallory` attacks.
 * `alice` is honest; what is hers, mallory must not learn. `maud` may read payments, but not their card numbers.
 */
export const CAST = {
  operator: { publish: ['*'], subscribe: ['*', '$sys.*'], consume: ['*'], admin: ['*'] },
  alice: {
    publish: ['alice.*', 'public.*', 'pay.*'],
    subscribe: ['alice.*', 'public.*', 'pay.*'],
    consume: ['alice.*'],
    source: 'alice',
  },
  mallory: {
    publish: ['mallory.*', 'public.*', 'inbox.*'],
    subscribe: ['mallory.*', 'public.*'],
    consume: ['mallory.*'],
    source: 'mallory',
  },
  maud: {
    publish: ['maud.*'],
    subscribe: [{ pattern: 'pay.*', redact: ['$.card'] }, 'maud.*'],
    consume: ['maud.*'],
  },
  nobody: {},
};

export const ISSUER = 'https://id.example';
export const AUDIENCE = 'millrace';

/** Keys for all of a cast: the text of their file, and the tokens by name. */
export function mint(/** @type {Record<string, any>} */ cast = CAST) {
  const tokens = {};
  const keys = Object.entries(cast).map(([name, grants]) => {
    const id = randomBytes(8).toString('hex');
    const token = `mr_${id}_${randomBytes(32).toString('base64url')}`;
    tokens[name] = token;
    return {
      id,
      name,
      hash: `sha256:${createHash('sha256').update(token).digest('hex')}`,
      ...grants,
    };
  });
  return { tokens, keys, text: JSON.stringify({ version: 1, keys }) };
}

/** The configuration of a server with this cast, its keys and a secret for JWTs in `folder`. */
export function guarded(folder, { text, secret }, { jwt = {}, ...more } = {}) {
  const keysFile = join(folder, 'keys.json');
  const secretFile = join(folder, 'secret');
  const revokedFile = join(folder, 'revoked');
  writeFileSync(keysFile, text, { mode: 0o600 });
  writeFileSync(secretFile, secret, { mode: 0o600 });
  writeFileSync(revokedFile, '# none\n', { mode: 0o600 });
  const auth = {
    keysFile,
    revokedFile,
    jwt: { secretFile, issuer: ISSUER, audience: AUDIENCE, ...jwt },
  };
  return { auth, shards: 2, logLevel: 'info', ...more };
}

const part = (value) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/**
 * A JWT with any header and claims, signed with HS256 and the secret, or with `sign`.
 *
 * @param {any} claims
 * @param {string} secret
 * @param {{ header?: any, sign?: (text: string) => Buffer }} form
 */
export function jwt(claims, secret, { header = { alg: 'HS256', typ: 'JWT' }, sign } = {}) {
  const text = `${part(header)}.${part(claims)}`;
  const signature = sign ? sign(text) : createHmac('sha256', secret).update(text).digest();
  return `${text}.${Buffer.from(signature).toString('base64url')}`;
}

/** The claims of a token that holds. */
export function claimsOf(sub, millrace, changes = {}) {
  const exp = Math.floor(Date.now() / 1000) + 3600;
  return { iss: ISSUER, aud: AUDIENCE, sub, exp, millrace, ...changes };
}
