import { BusError } from '../protocol/errors.js';
import { KEYS_FILE_BYTES_MAX, KEYS_FILE_POLL_MS, KEYS_FILE_SETTLE_MS } from '../protocol/limits.js';
import { apiKeyId, hashBytes, isKeyOf } from './api-key.js';
import type { AuthLogger } from './auth-log.js';
import { type Fault, faultsText, type Grants } from './auth-options.js';
import { FileWatch } from './file-watch.js';
import { fillGrants } from './grant-templates.js';
import { GrantedPrincipal } from './granted-principal.js';
import { type GuardedFile, readGuardedFile, versionOf } from './guarded-file.js';
import { keyClaims, parseKeysFile, type StoredKey } from './keys-file.js';
import type { Principal } from './principal.js';

/**
 * The API keys of a file, kept as the file says while it is edited. A file that is missing, half-written or faulty
 * changes nothing: what was read before stays in force, and the log says so. One thread.
 */

export interface KeyStoreOptions {
  readonly path: string;
  readonly log: AuthLogger;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Told of each principal whose key is gone or is not what it was. */
  readonly onRevoked: (principal: Principal) => void;
}

interface Entry {
  readonly stored: StoredKey;
  /** The stored key as text, to see whether it was changed. */
  readonly text: string;
  readonly hash: Buffer;
  readonly expiresAt: number | undefined;
  /** Made when the key is first shown; the same for all who show it. */
  principal?: GrantedPrincipal;
}

export class KeyStore {
  readonly #options: KeyStoreOptions;
  readonly #watch: FileWatch;
  #entries: Map<string, Entry>;
  #version: string;
  /** What was last said about the file, so that it is said once. */
  #complaint: string | undefined;

  /** Reads the file; if it has faults, they are put at the end of the list, and there is no store. */
  static open(options: KeyStoreOptions, faults: Fault[]): KeyStore | undefined {
    let file: GuardedFile;
    try {
      file = readGuardedFile(options.path, KEYS_FILE_BYTES_MAX);
    } catch (error) {
      faults.push({ path: '', message: (error as Error).message });
      return undefined;
    }
    const keys = parseKeysFile(file.bytes.toString('utf8'), faults);
    return keys === undefined ? undefined : new KeyStore(options, file, keys);
  }

  private constructor(options: KeyStoreOptions, file: GuardedFile, keys: readonly StoredKey[]) {
    this.#options = options;
    this.#version = file.version;
    this.#entries = entriesOf(keys);
    this.#warn(file.warning);
    this.#watch = new FileWatch(options.path, () => this.check(), {
      pollMs: KEYS_FILE_POLL_MS,
      settleMs: KEYS_FILE_SETTLE_MS,
    });
  }

  get size(): number {
    return this.#entries.size;
  }

  /** @throws BusError `UNAUTHENTICATED` */
  authenticate(key: string): Principal {
    const id = apiKeyId(key);
    if (id === undefined) throw refusal('the API key is malformed');
    const entry = this.#entries.get(id);
    // The same work and the same words, whether the id is known or not.
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

  /** Looks whether the file has changed, and takes it over if it is in order. Called by the watch. */
  check(): void {
    const { path } = this.#options;
    let file: GuardedFile;
    try {
      if (versionOf(path) === this.#version) return;
      file = readGuardedFile(path, KEYS_FILE_BYTES_MAX);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // When it can be read again, it is, even if it is the one that was read before.
      this.#version = '';
      this.#complain(code === 'ENOENT' ? `${path} is gone` : (error as Error).message);
      return;
    }
    this.#version = file.version;
    const faults: Fault[] = [];
    const keys = parseKeysFile(file.bytes.toString('utf8'), faults);
    if (keys === undefined) {
      this.#complain(`${path} has faults: ${faultsText(faults)}`);
      return;
    }
    this.#complaint = undefined;
    this.#warn(file.warning);
    this.#takeOver(entriesOf(keys));
  }

  close(): void {
    this.#watch.close();
  }

  #takeOver(entries: Map<string, Entry>): void {
    const before = this.#entries;
    const revoked: Entry[] = [];
    for (const [id, old] of before) {
      const entry = entries.get(id);
      // Who shows an unchanged key goes on being the same principal.
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

  #complain(complaint: string): void {
    if (this.#complaint === complaint) return;
    this.#complaint = complaint;
    this.#options.log('warn', 'the keys file cannot be used; the keys read before stay in force', {
      path: this.#options.path,
      fault: complaint,
    });
  }

  #warn(warning: string | undefined): void {
    if (warning === undefined) return;
    this.#options.log('warn', 'the keys file is not private', { warning });
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

/** What cannot be filled was a fault of the file; should it not have been, the key may do nothing. */
function grantsOf(stored: StoredKey): Grants {
  return fillGrants(stored, keyClaims(stored), []) ?? {};
}

function refusal(message: string): BusError {
  return new BusError('UNAUTHENTICATED', message);
}
