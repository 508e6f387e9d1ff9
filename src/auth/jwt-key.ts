import { createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';
import {
  JWT_RSA_BITS_MIN,
  JWT_SECRET_BYTES_MIN,
  KEY_MATERIAL_BYTES_MAX,
} from '../protocol/limits/auth.js';
import type { JwtAlgorithm, JwtOptions } from './auth-options.js';
import { readGuardedFile } from './guarded-file.js';

/** The key that a JWT's signature is checked with, from the options or a file. Any thread. */

export interface JwtKey {
  readonly key: KeyObject;
  readonly warning?: string;
}

/** @throws Error if the key is missing, malformed or unfit for the algorithms; its message never holds the secret */
export function loadJwtKey(options: JwtOptions): JwtKey {
  const { secret, secretFile, publicKey, publicKeyFile, algorithms } = options;
  if (secret !== undefined) return { key: createSecretKey(Buffer.from(secret, 'utf8')) };
  if (secretFile !== undefined) return loadSecretFile(secretFile);
  const pem = publicKey ?? readPem(publicKeyFile!);
  return { key: publicKeyOf(pem, algorithms ?? []) };
}

/**
 * Loads a secret: the file's bytes, without the line end that editors and `echo` add.
 *
 * @throws Error if the file cannot be read or holds fewer than 32 bytes
 */
export function loadSecretFile(path: string): JwtKey {
  const { bytes, warning } = readGuardedFile(path, KEY_MATERIAL_BYTES_MAX);
  const end = bytes.at(-1) === 0x0a ? (bytes.at(-2) === 0x0d ? 2 : 1) : 0;
  const secret = bytes.subarray(0, bytes.length - end);
  if (secret.length < JWT_SECRET_BYTES_MIN) {
    throw new Error(
      `${path} holds a secret of ${secret.length} bytes; it has to be ${JWT_SECRET_BYTES_MIN} or more`,
    );
  }
  const key = createSecretKey(secret);
  return warning === undefined ? { key } : { key, warning };
}

function readPem(path: string): string {
  return readGuardedFile(path, KEY_MATERIAL_BYTES_MAX).bytes.toString('utf8');
}

function publicKeyOf(pem: string, algorithms: readonly JwtAlgorithm[]): KeyObject {
  // Node would derive the public key from a private one, but a private key must not be on a server that only verifies.
  if (pem.includes('PRIVATE KEY')) throw new Error('a private key was given, not a public one');
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch {
    throw new Error('is no public key in PEM form');
  }
  const unfit = algorithms.find((algorithm) => !fits(key, algorithm));
  if (unfit === undefined) return key;
  throw new Error(`the public key (${describe(key)}) cannot check ${unfit}`);
}

function fits(key: KeyObject, algorithm: JwtAlgorithm): boolean {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  switch (algorithm) {
    case 'RS256':
    case 'PS256':
      return type === 'rsa' && (details?.modulusLength ?? 0) >= JWT_RSA_BITS_MIN;
    case 'ES256':
      return type === 'ec' && details?.namedCurve === 'prime256v1';
    case 'EdDSA':
      return type === 'ed25519';
    default:
      return false;
  }
}

function describe({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string {
  const { modulusLength, namedCurve } = asymmetricKeyDetails ?? {};
  return [asymmetricKeyType, modulusLength ?? namedCurve].filter(Boolean).join(' ');
}
