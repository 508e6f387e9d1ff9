import { BusError } from '../protocol/errors.js';
import { TOKEN_LENGTH_MAX } from '../protocol/limits/auth.js';
import { messageOf } from '../protocol/thrown.js';
import { API_KEY_PREFIX } from './api-key.js';
import type { AuthLogger } from './auth-log.js';
import { type AuthOptions, faultyOptions, parseAuthOptions } from './auth-options.js';
import { GrantedPrincipal } from './granted-principal.js';
import type { Fault } from './grants.js';
import { JwtVerifier } from './jwt-verifier.js';
import { KeyStore } from './key-store.js';
import { openAccess } from './open-access.js';
import type { Authenticator, Principal } from './principal.js';
import { RevokedTokens } from './revoked-tokens.js';

/**
 * The authenticator that the options describe: API keys, JWTs, and the grants of clients without either. One thread.
 */

export interface AuthenticatorContext {
  readonly log?: AuthLogger;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/**
 * Opens an authenticator. Without `options` there is no authentication, and every client may do everything.
 *
 * @throws BusError `OPTION_INVALID`, naming every fault of the options, the files and the keys
 */
export function openAuthenticator(
  options: AuthOptions | undefined,
  { log = () => {}, now = Date.now }: AuthenticatorContext = {},
): Authenticator {
  if (options === undefined) return openAccess();
  return new GrantingAuthenticator(parseAuthOptions(options), log, now);
}

class GrantingAuthenticator implements Authenticator {
  readonly #keys: KeyStore | undefined;
  readonly #jwt: JwtVerifier | undefined;
  readonly #revoked: RevokedTokens | undefined;
  readonly #anonymous: Principal | undefined;
  readonly #listeners = new Set<(principal: Principal) => void>();
  readonly #log: AuthLogger;

  constructor(options: AuthOptions, log: AuthLogger, now: () => number) {
    const { keysFile, jwt, revokedFile, anonymous } = options;
    this.#log = log;
    if (anonymous !== undefined && anonymous !== false) {
      const identity = { id: 'anonymous', name: 'anonymous', isAnonymous: true };
      this.#anonymous = new GrantedPrincipal(identity, anonymous);
    }
    const ofJwt: Fault[] = [];
    const ofKeys: Fault[] = [];
    const ofRevoked: Fault[] = [];
    const onRevoked = (principal: Principal) => this.#notifyRevoked(principal);
    if (revokedFile !== undefined) {
      this.#revoked = RevokedTokens.open({ path: revokedFile, log, onRevoked }, ofRevoked);
    }
    const revoked = this.#revoked;
    if (jwt !== undefined) this.#jwt = JwtVerifier.open(jwt, { log, now, revoked }, ofJwt);
    if (keysFile !== undefined) {
      const store = { path: keysFile, log, now, onRevoked };
      this.#keys = KeyStore.open(store, ofKeys);
    }
    const faults = [
      ...within('jwt', ofJwt),
      ...within('revokedFile', ofRevoked),
      ...within('keysFile', ofKeys),
    ];
    if (faults.length === 0) return;
    this.close();
    throw faultyOptions('auth', faults);
  }

  get isRequired(): boolean {
    return this.#anonymous === undefined;
  }

  async authenticate(token: string | undefined): Promise<Principal> {
    if (token === undefined) {
      if (this.#anonymous !== undefined) return this.#anonymous;
      throw refusal('a token is needed: an API key or a JWT');
    }
    // An invalid token is refused even where a client without one would get in, as its owner expects more than that.
    if (token.length > TOKEN_LENGTH_MAX) {
      throw refusal(`a token of ${token.length} characters; ${TOKEN_LENGTH_MAX} is the limit`);
    }
    if (token.startsWith(API_KEY_PREFIX)) {
      if (this.#keys === undefined) throw refusal('API keys are not accepted here');
      return this.#keys.authenticate(token);
    }
    if (token.split('.', 4).length !== 3)
      throw refusal('the token is neither an API key nor a JWT');
    if (this.#jwt === undefined) throw refusal('JWTs are not accepted here');
    return this.#jwt.authenticate(token);
  }

  onRevoked(listener: (principal: Principal) => void): void {
    this.#listeners.add(listener);
  }

  close(): void {
    this.#keys?.close();
    this.#revoked?.close();
    this.#listeners.clear();
  }

  #notifyRevoked(principal: Principal): void {
    for (const listener of this.#listeners) {
      try {
        listener(principal);
      } catch (error) {
        // The other listeners are called all the same.
        this.#log('error', 'a listener for revoked keys failed', { fault: messageOf(error) });
      }
    }
  }
}

function within(option: string, faults: readonly Fault[]): Fault[] {
  return faults.map(({ path, message }) => ({
    path: path === '' ? option : `${option}: ${path}`,
    message,
  }));
}

function refusal(message: string): BusError {
  return new BusError('UNAUTHENTICATED', message);
}
