import { createRemoteJWKSet, customFetch, type RemoteJWKSet } from 'jose';
import { BusError } from '../protocol/errors.js';
import {
  JWKS_BYTES_MAX,
  JWKS_CACHE_MS,
  JWKS_COOLDOWN_MS,
  JWKS_TIMEOUT_MS,
} from '../protocol/limits/auth.js';
import { isError, messageOf } from '../protocol/thrown.js';
import type { AuthLogger } from './auth-log.js';

/**
 * An issuer's key set at a URL. It is fetched when it is first needed, when it is old, and when a token names a key
 * that is not in it, but at most once in half a minute, even if that fails, so that clients cannot make the server
 * flood the issuer. While it cannot be fetched tokens cannot be judged: they fail with `AUTH_UNAVAILABLE`, and may be
 * tried again. One thread.
 */
export function remoteKeys(url: string, log: AuthLogger): RemoteJWKSet {
  let failedAt = Number.NEGATIVE_INFINITY;
  // What stands behind the path may be a secret of the issuer's.
  const { origin, pathname } = new URL(url);
  const shown = origin + pathname;
  return createRemoteJWKSet(new URL(url), {
    cacheMaxAge: JWKS_CACHE_MS,
    cooldownDuration: JWKS_COOLDOWN_MS,
    timeoutDuration: JWKS_TIMEOUT_MS,
    [customFetch]: async (address, options) => {
      const waitMs = Math.ceil(failedAt + JWKS_COOLDOWN_MS - performance.now());
      if (waitMs > 0) throw unavailable(waitMs);
      try {
        return await boundedFetch(address, options);
      } catch (error) {
        failedAt = performance.now();
        log(
          'error',
          'the key set of the JWT issuer cannot be fetched; its tokens cannot be checked',
          {
            url: shown,
            fault: reasonOf(error).replaceAll(url, shown),
          },
        );
        throw unavailable(JWKS_COOLDOWN_MS, error);
      }
    },
  });
}

function unavailable(retryAfterMs: number, cause?: unknown): BusError {
  const message = 'the JWT cannot be checked now: the keys of its issuer cannot be fetched';
  return new BusError('AUTH_UNAVAILABLE', message, { cause, details: { retryAfterMs } });
}

async function boundedFetch(address: string, options: RequestInit): Promise<Response> {
  const response = await fetch(address, options);
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`it was answered with status ${response.status}`);
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  // If the body trickles in, the signal of `options` ends it.
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > JWKS_BYTES_MAX) throw new Error(`it has more than ${JWKS_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  if (!isKeySet(text)) throw new Error('it is no key set');
  return new Response(text);
}

function isKeySet(text: string): boolean {
  try {
    return Array.isArray((JSON.parse(text) as { keys?: unknown }).keys);
  } catch {
    return false;
  }
}

/** The error's message and its cause's, as `fetch failed` alone says nothing. */
function reasonOf(error: unknown): string {
  const message = messageOf(error);
  const cause = isError(error) ? error.cause : undefined;
  return isError(cause) ? `${message}: ${messageOf(cause)}` : message;
}
