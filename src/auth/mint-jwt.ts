import type { KeyObject } from 'node:crypto';
import { SignJWT } from 'jose';
import type { Grants } from './grants.js';
import { GRANTS_CLAIM } from './jwt-verifier.js';

/** Makes JWTs for servers that check them with a shared secret, where no other issuer makes them. Any thread. */

export interface JwtInput {
  /** At least 32 bytes. */
  readonly secret: KeyObject;
  readonly issuer: string;
  readonly audience: string;
  readonly subject: string;
  /** The token's `jti`, by which it can be revoked. */
  readonly id: string;
  /** Milliseconds since 1970; whole seconds count. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly grants: Grants;
}

export async function mintJwt(input: JwtInput): Promise<string> {
  const { secret, issuer, audience, subject, id, issuedAt, expiresAt, grants } = input;
  return new SignJWT({ [GRANTS_CLAIM]: grants })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setIssuer(issuer)
    .setAudience(audience)
    .setSubject(subject)
    .setJti(id)
    .setIssuedAt(Math.floor(issuedAt / 1000))
    .setExpirationTime(Math.floor(expiresAt / 1000))
    .sign(secret);
}
