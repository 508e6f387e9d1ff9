import { createHash, randomBytes, randomInt, timingSafeEqual } from 'node:crypto';

/**
 * API keys: `mr_<id>_<secret>`. The id identifies the key and is not secret; the secret is 256 random bits. Only the
 * SHA-256 of the whole key is stored. A slow hash would protect nothing, as no dictionary holds such a secret, and
 * would let clients load the server with guesses. Any thread.
 */

const ID_LENGTH = 16;
const ID_ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const SECRET_BYTES = 32;
const KEY = /^mr_([0-9a-z]{16})_[A-Za-z0-9_-]{43}$/;

export const API_KEY_PREFIX = 'mr_';
export const API_KEY_ID = /^[0-9a-z]{16}$/;
export const API_KEY_HASH = /^sha256:[0-9a-f]{64}$/;

export interface MintedKey {
  readonly id: string;
  /** To be shown once; it is stored nowhere. */
  readonly key: string;
  /** `sha256:` and 64 hexadecimal digits. */
  readonly hash: string;
}

export function mintApiKey(): MintedKey {
  const digits = Array.from(
    { length: ID_LENGTH },
    () => ID_ALPHABET[randomInt(ID_ALPHABET.length)],
  );
  const id = digits.join('');
  const key = `${API_KEY_PREFIX}${id}_${randomBytes(SECRET_BYTES).toString('base64url')}`;
  return { id, key, hash: `sha256:${digestOf(key).toString('hex')}` };
}

/** The id within a key, or `undefined` if the text does not have the form of a key. */
export function apiKeyId(key: string): string | undefined {
  return KEY.exec(key)?.[1];
}

/** The bytes of a stored hash. */
export function hashBytes(hash: string): Buffer {
  return Buffer.from(hash.slice(hash.indexOf(':') + 1), 'hex');
}

/**
 * Whether this key has that hash. Takes the same time whether it has or not, and for a key that is not stored (`hash`
 * is `undefined`).
 */
export function isKeyOf(key: string, hash: Buffer | undefined): boolean {
  const isEqual = timingSafeEqual(digestOf(key), hash ?? NO_HASH);
  return isEqual && hash !== undefined;
}

const NO_HASH = Buffer.alloc(32);

function digestOf(key: string): Buffer {
  return createHash('sha256').update(key, 'utf8').digest();
}
