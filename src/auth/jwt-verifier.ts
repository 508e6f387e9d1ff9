import type { KeyObject } from 'node:crypto';
import { errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import * as v from 'valibot';
import { BusError } from '../protocol/errors.js';
import { nameFault } from '../protocol/event-fields.js';
import { JWT_CLOCK_TOLERANCE_MS } from '../protocol/limits/auth.js';
import type { AuthLogger } from './auth-log.js';
import {
  faultsText,
  grantsSchema,
  type JwtAlgorithm,
  type JwtOptions,
  parseOrFaults,
} from './auth-options.js';
import { fillGrants } from './grant-templates.js';
import { GrantedPrincipal } from './granted-principal.js';
import type { Fault } from './grants.js';
import { loadJwtKey } from './jwt-key.js';
import type { Principal } from './principal.js';
import { remoteKeys } from './remote-keys.js';
import type { RevokedTokens } from './revoked-tokens.js';

/**
 * Checks JWTs: the signature, with the configured key or key set and only the configured algorithms; issuer, audience,
 * `exp` and `nbf`; and the grants in the claim `millrace`. A token without that claim may do nothing. One thread.
 */

export const GRANTS_CLAIM = 'millrace';

export interface JwtVerifierContext {
  readonly log: AuthLogger;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** The revoked tokens; `undefined`: none is revoked. */
  readonly revoked?: RevokedTokens | undefined;
}

/** The latest time that a `Date` can hold. */
const DATE_MS_MAX = 8.64e15;

interface Verification {
  readonly algorithms: JwtAlgorithm[];
  readonly issuer: string[];
  readonly audience: string[];
  /** Seconds. */
  readonly clockTolerance: number;
  readonly requiredClaims: string[];
}

export class JwtVerifier {
  readonly #key: KeyObject | JWTVerifyGetKey;
  readonly #verification: Verification;
  readonly #now: () => number;
  readonly #revoked: RevokedTokens | undefined;

  /** Makes a verifier. If the key cannot be used, returns `undefined` and appends the fault to `faults`. */
  static open(
    options: JwtOptions,
    context: JwtVerifierContext,
    faults: Fault[],
  ): JwtVerifier | undefined {
    try {
      return new JwtVerifier(options, keyOf(options, context.log), context);
    } catch (error) {
      faults.push({ path: '', message: (error as Error).message });
      return undefined;
    }
  }

  private constructor(
    options: JwtOptions,
    key: KeyObject | JWTVerifyGetKey,
    { now, revoked }: JwtVerifierContext,
  ) {
    this.#now = now;
    this.#revoked = revoked;
    this.#key = key;
    this.#verification = {
      algorithms: [...(options.algorithms ?? (['HS256'] as const))],
      issuer: [options.issuer].flat(),
      audience: [options.audience].flat(),
      clockTolerance: (options.clockToleranceMs ?? JWT_CLOCK_TOLERANCE_MS) / 1000,
      requiredClaims: ['exp', 'sub'],
    };
  }

  /** @throws BusError `UNAUTHENTICATED`, `AUTH_UNAVAILABLE` */
  async authenticate(token: string): Promise<Principal> {
    const claims = await this.#verify(token);
    const expiresAt = Math.floor(Number(claims.exp) * 1000);
    // JSON can hold numbers too large for a date, even one that is read as infinity.
    if (!(expiresAt <= DATE_MS_MAX)) throw refusal('has a wrong "exp"');
    // No clock tolerance for `exp`: the connection is cut at that time, too.
    if (this.#now() >= expiresAt) throw refusal('has expired');
    const principal = principalOf(claims, expiresAt);
    this.#checkRevoked(claims.jti, principal);
    return principal;
  }

  /**
   * A token without an id cannot be revoked. An id that is not text could never be found in the file, so it is refused.
   */
  #checkRevoked(jti: unknown, principal: GrantedPrincipal): void {
    if (this.#revoked === undefined || jti === undefined) return;
    if (typeof jti !== 'string') throw refusal('has a wrong "jti"');
    if (this.#revoked.has(jti)) throw refusal('was revoked');
    this.#revoked.note(jti, principal);
  }

  async #verify(token: string): Promise<JWTPayload> {
    const options = { ...this.#verification, currentDate: new Date(this.#now()) };
    try {
      return (await jwtVerify(token, this.#key, options)).payload;
    } catch (error) {
      if (error instanceof BusError) throw error;
      throw refusal(reasonOf(error));
    }
  }
}

function keyOf(options: JwtOptions, log: AuthLogger): KeyObject | JWTVerifyGetKey {
  if (options.jwksUrl !== undefined) return remoteKeys(options.jwksUrl, log);
  const { key, warning } = loadJwtKey(options);
  if (warning !== undefined) log('warn', 'the file of the JWT secret is not private', { warning });
  return key;
}

const claimsSchema = v.object({
  // `v.object` takes only the fields named here; a token may have others.
  [GRANTS_CLAIM]: v.optional(grantsSchema, {}),
  sub: v.pipe(
    v.string(),
    v.check(
      (subject) => nameFault('sub', subject) === undefined,
      (issue) => nameFault('sub', issue.input) ?? 'is no name',
    ),
  ),
});

function principalOf(claims: JWTPayload, expiresAt: number): GrantedPrincipal {
  const faults: Fault[] = [];
  const parsed = parseOrFaults(claimsSchema, claims, faults);
  if (parsed === undefined) throw refusal(`has faulty claims: ${faultsText(faults)}`);
  const { sub: name, [GRANTS_CLAIM]: templates } = parsed;
  const grants = fillGrants(templates, claims, faults);
  if (grants === undefined)
    throw refusal(`has grants that its claims cannot fill: ${faultsText(faults)}`);
  // The issuer is part of the id, as two issuers may have subjects of the same name.
  const id = `jwt:${JSON.stringify([claims.iss, name])}`;
  return new GrantedPrincipal({ id, name, expiresAt }, grants);
}

/**
 * Says why a token was refused. The library's own message is not used, as it may repeat parts of the token and be as
 * long.
 */
function reasonOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'has expired';
  if (error instanceof errors.JWTClaimValidationFailed) return claimReason(error);
  if (error instanceof errors.JOSEAlgNotAllowed) return 'is signed with an algorithm not allowed';
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'has a wrong signature';
  if (error instanceof errors.JWKSNoMatchingKey) return 'is signed with a key not in the key set';
  if (error instanceof errors.JWKSMultipleMatchingKeys) return 'does not say which key signed it';
  if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid) {
    return 'is malformed';
  }
  if (error instanceof errors.JOSENotSupported) return 'needs a feature that is not supported here';
  return 'cannot be checked, as there is no key to check it with';
}

const CLAIMS_CHECKED = new Set(['iss', 'aud', 'exp', 'nbf', 'iat', 'sub']);

function claimReason({ claim, reason }: errors.JWTClaimValidationFailed): string {
  const named = CLAIMS_CHECKED.has(claim) ? `"${claim}"` : 'a claim';
  if (reason === 'missing') return `has no ${named}`;
  return claim === 'nbf' && reason === 'check_failed' ? 'is not valid yet' : `has a wrong ${named}`;
}

function refusal(reason: string): BusError {
  return new BusError('UNAUTHENTICATED', `the JWT ${reason}`);
}
