import { createHmac } from 'node:crypto';
import {
  WEBHOOK_KEY_BYTES_MAX,
  WEBHOOK_KEY_BYTES_MIN,
  WEBHOOK_SECRETS_MAX,
} from '../../protocol/limits/webhook.js';

/**
 * Signatures of Standard Webhooks 1.0 (github.com/standard-webhooks/standard-webhooks, `v1`): HMAC-SHA-256 over the id, the
 * time of the attempt and the body. Pure. No message here shows a secret.
 */

const PREFIX = 'whsec_';
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

export type Secrets = string | readonly string[];

/** Why the secrets are refused, or `undefined`. */
export function secretsFault(secrets: unknown): string | undefined {
  const all: unknown[] = Array.isArray(secrets) ? secrets : [secrets];
  if (all.length === 0 || all.length > WEBHOOK_SECRETS_MAX) {
    return `has to be 1 to ${WEBHOOK_SECRETS_MAX} secrets, not ${all.length}`;
  }
  if (all.every((secret) => typeof secret === 'string' && keyOf(secret) !== undefined)) {
    return undefined;
  }
  return `has to be "${PREFIX}" and the base64 of ${WEBHOOK_KEY_BYTES_MIN} to ${WEBHOOK_KEY_BYTES_MAX} random bytes`;
}

/** The keys of secrets that have no fault. */
export function keysOf(secrets: Secrets): Buffer[] {
  return (typeof secrets === 'string' ? [secrets] : secrets).map((secret) => keyOf(secret)!);
}

function keyOf(secret: string): Buffer | undefined {
  const text = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : secret;
  if (!BASE64.test(text)) return undefined;
  const key = Buffer.from(text, 'base64');
  const isLongEnough = key.length >= WEBHOOK_KEY_BYTES_MIN && key.length <= WEBHOOK_KEY_BYTES_MAX;
  return isLongEnough ? key : undefined;
}

/** The three headers of an attempt, with one signature for each key, so that a receiver may have any of them. */
export function signedHeaders(
  keys: readonly Buffer[],
  id: string,
  at: Date,
  body: string,
): Record<string, string> {
  const timestamp = String(Math.floor(at.getTime() / 1000));
  const signatures = keys.map((key) => {
    const hash = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body);
    return `v1,${hash.digest('base64')}`;
  });
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': signatures.join(' '),
  };
}
