import { BusError } from '../protocol/errors.js';
import { KEYS_FILE_BYTES_MAX } from '../protocol/limits/auth.js';
import { apiKeyId, hashBytes, isKeyOf } from './api-key.js';
import type { AuthLogger } from './auth-log.js';
import { fillGrants } from './grant-templates.js';
import { GrantedPrincipal } from './granted-principal.js';
import type { Fault, Grants } from './grants.js';
import { keyClaims, parseKeysFile, type StoredKey } from './keys-file.js';
import type { Principal } from './principal.js';
import { WatchedFile } from './watched-file.js';

/** The API keys of a file, kept up to date while the file is edited. One thread. */

export interface KeyStoreOptions {
  readonly path: string;
  readonly log: AuthLogger;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Called with each principal whose key was removed or changed. */
  readonly onRevoked: (principal: Principal) => void;
}

interface Entry {
  readonly stored: StoredKey;
  /** The stored key as text, to find out whether it was changed. */
  readonly text: string;
  readonly hash: Buffer;
  readonly expiresAt: number | undefined;
  /** Made when the key is first used, and shared by all connections that use it. */
  principal?: GrantedPrincipal;
}

export class KeyStore {
  readonly #options: KeyStoreOptions;
  readonly #file: WatchedFile<readonly StoredKey[]>;
  #entries: Map<string, Entry>;

  /** Reads the file. If it has faults, returns `undefined` and appends them to `faults`. */
  static open(options: KeyStoreOptions, faults: Fault[]): KeyStore | undefined {
    const { path, log } = options;
    const file = WatchedFile.open(
      {
        path,
        log,
        name: 'keys file',
        make: '`millrace token key`',
        bytesMax: KEYS_FILE_BYTES_MAX,
        parse: parseKeysFile,
      },
      faults,
    );
    return file === undefined ? undefined : new KeyStore(options, file);
  }

  private constructor(options: KeyStoreOptions, file: WatchedFile<readonly StoredKey[]>) {
    this.#options = options;
    this.#file = file;
    this.#entries = entriesOf(file.initial);
    file.watch((keys) => this.#takeOver(entriesOf(keys)));
  }

  get size(): number {
    return this.#entries.size;
  }

  /** @throws BusError `UNAUTHENTICATED` */
  authenticate(key: string): Principal {
    const id = apiKeyId(key);
    if (id === undefined) throw refusal('the API key is malformed');
    const entry = this.#entries.get(id);
    // The same work and the same message whether the id is known or not, so that a client cannot find out.
    if (!isKeyOf(key, entry?.hash) || entry === undefined) {
      throw refusal('the API key is unknown or was revoked');
    }
    const { stored, expiresAt } = entry;
    if (expiresAt !== undefined && this.#options.now() >= expiresAt) {
      throw refusal(`the API key ${id} expired at ${new Date(expiresAt).toISOString()}`);
    }
    const expiry = expiresAt === undefined ? {} : { expiresAt };
    entry.principal ??= new GrantedPrincipal(
      { id: `key:${id}`, name: stored.name, ...expiry },
      grantsOf(stored),
    );
    return entry.principal;
  }

  /** Reads the file again if it has changed, and takes its keys over if it has no faults. */
  check(): void {
    this.#file.check();
  }

  close(): void {
    this.#file.close();
  }

  #takeOver(entries: Map<string, Entry>): void {
    const before = this.#entries;
    const revoked: Entry[] = [];
    for (const [id, old] of before) {
      const entry = entries.get(id);
      // An unchanged key keeps its principal, so its connections go on.
      if (entry?.text === old.text) entries.set(id, old);
      else revoked.push(old);
    }
    this.#entries = entries;
    this.#options.log('info', 'the keys file was read again', {
      path: this.#options.path,
      keys: entries.size,
      revokedOrChanged: revoked.length,
    });
    for (const { principal } of revoked) {
      principal?.revoke();
      if (principal !== undefined) this.#options.onRevoked(principal);
    }
  }
}

function entriesOf(keys: readonly StoredKey[]): Map<string, Entry> {
  return new Map(keys.map((stored) => [stored.id, entryOf(stored)]));
}

function entryOf(stored: StoredKey): Entry {
  const { hash, expiresAt } = stored;
  return {
    stored,
    text: JSON.stringify(stored),
    hash: hashBytes(hash),
    expiresAt: expiresAt === undefined ? undefined : Date.parse(expiresAt),
  };
}

/**
 * The key's grants. Patterns that cannot be filled are faults of the file, so they do not get here; if one did, the key
 * would have no grants.
 */
function grantsOf(stored: StoredKey): Grants {
  return fillGrants(stored, keyClaims(stored), []) ?? {};
}

function refusal(message: string): BusError {
  return new BusError('UNAUTHENTICATED', message);
}
