import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign,
  timingSafeEqual,
  verify,
} from 'node:crypto';
import { AUDIT_KEY_BYTES_MAX, AUDIT_KEY_BYTES_MIN } from '../../protocol/limits/audit.js';

/**
 * Seals of lines: without the key nobody can make one. An HMAC is checked with the same key; a signature (Ed25519) with the
 * public one, so those who check a trail could not have written it.
 */

export interface SealCheck {
  /** Tells keys apart; says nothing about the key. */
  readonly id: string;
  isRight(hash: string, seal: string): boolean;
}

export interface Seal extends SealCheck {
  make(hash: string): string;
}

/** HMAC-SHA-256 with a shared key. */
export function hmacSeal(key: string | Uint8Array): Seal {
  const make = (hash: string): string => createHmac('sha256', key).update(hash).digest('base64');
  return {
    id: `hmac-${createHmac('sha256', key).update('millrace audit').digest('hex').slice(0, 16)}`,
    make,
    isRight: (hash, seal) => {
      const right = Buffer.from(make(hash));
      const given = Buffer.from(seal);
      return right.length === given.length && timingSafeEqual(right, given);
    },
  };
}

/** @throws Error if the text is no private key of Ed25519 in PEM; it does not show the key */
export function signingSeal(privatePem: string): Seal {
  const key = keyOf(() => createPrivateKey(privatePem), 'private');
  const check = signatureCheck(createPublicKey(key));
  return { ...check, make: (hash) => sign(null, Buffer.from(hash), key).toString('base64') };
}

/** @throws Error if the text is no public key of Ed25519 in PEM */
export function publicKeyCheck(publicPem: string): SealCheck {
  return signatureCheck(keyOf(() => createPublicKey(publicPem), 'public'));
}

function signatureCheck(key: KeyObject): SealCheck {
  const der = key.export({ format: 'der', type: 'spki' });
  return {
    id: `ed25519-${createHash('sha256').update(der).digest('hex').slice(0, 16)}`,
    isRight: (hash, seal) => verify(null, Buffer.from(hash), key, Buffer.from(seal, 'base64')),
  };
}

function keyOf(read: () => KeyObject, kind: string): KeyObject {
  let key: KeyObject | undefined;
  try {
    key = read();
  } catch {
    // OpenSSL's words say less than ours.
  }
  if (key?.asymmetricKeyType === 'ed25519') return key;
  throw new Error(`has to be a ${kind} key of Ed25519 in PEM`);
}

export function hmacKeyFault(key: unknown): string | undefined {
  const isKey = typeof key === 'string' || key instanceof Uint8Array;
  const { length } = isKey ? Buffer.from(key as string) : Buffer.alloc(0);
  if (length >= AUDIT_KEY_BYTES_MIN && length <= AUDIT_KEY_BYTES_MAX) return undefined;
  return `has to be text or bytes, ${AUDIT_KEY_BYTES_MIN} to ${AUDIT_KEY_BYTES_MAX} bytes long`;
}

export function signingKeyFault(key: unknown): string | undefined {
  try {
    signingSeal(String(key));
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
