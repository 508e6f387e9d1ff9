import { REVOKED_FILE_BYTES_MAX } from '../protocol/limits/auth.js';
import type { AuthLogger } from './auth-log.js';
import type { GrantedPrincipal } from './granted-principal.js';
import type { Fault } from './grants.js';
import type { Principal } from './principal.js';
import { parseRevokedFile, type RevokedToken } from './revoked-file.js';
import { WatchedFile } from './watched-file.js';

/**
 * The JWTs that a file revokes by their `jti`, and the principals that came in with tokens not revoked yet: when a
 * token is added to the file, `onRevoked` is called with its principals. Principals are held weakly, as long as a
 * connection, a stream or a request has them. One thread.
 */

export interface RevokedTokensOptions {
  readonly path: string;
  readonly log: AuthLogger;
  readonly onRevoked: (principal: Principal) => void;
}

export class RevokedTokens {
  readonly #options: RevokedTokensOptions;
  readonly #file: WatchedFile<RevokedToken[]>;
  #revoked: ReadonlySet<string>;
  readonly #present = new Map<string, Set<WeakRef<GrantedPrincipal>>>();
  readonly #gone = new FinalizationRegistry<{ jti: string; ref: WeakRef<GrantedPrincipal> }>(
    ({ jti, ref }) => this.#forget(jti, ref),
  );

  /** Reads the file. If it has faults, returns `undefined` and appends them to `faults`. */
  static open(options: RevokedTokensOptions, faults: Fault[]): RevokedTokens | undefined {
    const { path, log } = options;
    const file = WatchedFile.open(
      {
        path,
        log,
        name: 'file of revoked tokens',
        bytesMax: REVOKED_FILE_BYTES_MAX,
        parse: parseRevokedFile,
      },
      faults,
    );
    return file === undefined ? undefined : new RevokedTokens(options, file);
  }

  private constructor(options: RevokedTokensOptions, file: WatchedFile<RevokedToken[]>) {
    this.#options = options;
    this.#file = file;
    this.#revoked = idsOf(file.initial);
    file.watch((tokens) => this.#takeOver(idsOf(tokens)));
  }

  has(jti: string): boolean {
    return this.#revoked.has(jti);
  }

  /** Remembers the principal of a token that is not revoked, to notify of it when it is. */
  note(jti: string, principal: GrantedPrincipal): void {
    const ref = new WeakRef(principal);
    const present = this.#present.get(jti) ?? new Set();
    this.#present.set(jti, present.add(ref));
    this.#gone.register(principal, { jti, ref });
  }

  close(): void {
    this.#file.close();
  }

  #takeOver(revoked: ReadonlySet<string>): void {
    this.#revoked = revoked;
    const { log, path, onRevoked } = this.#options;
    log('info', 'the file of revoked tokens was read again', { path, tokens: revoked.size });
    for (const jti of this.#present.keys()) {
      if (!revoked.has(jti)) continue;
      const present = this.#present.get(jti) ?? [];
      this.#present.delete(jti);
      for (const ref of present) {
        const principal = ref.deref();
        principal?.revoke();
        if (principal !== undefined) onRevoked(principal);
      }
    }
  }

  #forget(jti: string, ref: WeakRef<GrantedPrincipal>): void {
    const present = this.#present.get(jti);
    present?.delete(ref);
    if (present?.size === 0) this.#present.delete(jti);
  }
}

function idsOf(tokens: readonly RevokedToken[]): ReadonlySet<string> {
  return new Set(tokens.map(({ jti }) => jti));
}
