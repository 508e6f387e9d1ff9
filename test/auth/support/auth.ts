import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { mintApiKey } from '../../../src/auth/api-key.js';
import type { AuthLogger } from '../../../src/auth/auth-log.js';
import type { AuthOptions } from '../../../src/auth/auth-options.js';
import { keysFileText, type StoredKey } from '../../../src/auth/keys-file.js';
import { openAuthenticator } from '../../../src/auth/open-authenticator.js';
import type { Authenticator, Principal } from '../../../src/auth/principal.js';

/** Makes keys, keys files, and authenticators that are closed after the test. */

const directories: string[] = [];
const opened: Authenticator[] = [];

afterEach(() => {
  for (const authenticator of opened.splice(0)) authenticator.close();
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-auth-'));
  directories.push(directory);
  return directory;
}

export interface TestKey {
  readonly key: string;
  readonly stored: StoredKey;
}

export function newKey(fields: Partial<StoredKey> = {}): TestKey {
  const { id, key, hash } = mintApiKey();
  return { key, stored: { id, name: `key ${id}`, hash, ...fields } };
}

export function writeKeys(path: string, ...keys: readonly TestKey[]): void {
  writeFileSync(path, keysFileText(keys.map(({ stored }) => stored)), { mode: 0o600 });
}

export interface Logged {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface TestAuthenticator {
  readonly authenticator: Authenticator;
  readonly logs: readonly Logged[];
  readonly revoked: readonly Principal[];
  /** The first log entry, present or future, for which the condition holds. */
  logged(isIt: (entry: Logged) => boolean): Promise<Logged>;
}

export function open(options: AuthOptions, now: () => number = Date.now): TestAuthenticator {
  const logs: Logged[] = [];
  const waiting = new Set<() => void>();
  const log: AuthLogger = (level, message, fields) => {
    logs.push({ level, message, fields });
    for (const look of waiting) look();
  };
  const authenticator = openAuthenticator(options, { log, now });
  opened.push(authenticator);
  const revoked: Principal[] = [];
  authenticator.onRevoked((principal) => revoked.push(principal));
  const logged = (isIt: (entry: Logged) => boolean) =>
    new Promise<Logged>((resolve) => {
      const look = () => {
        const found = logs.find(isIt);
        if (found === undefined) return;
        waiting.delete(look);
        resolve(found);
      };
      waiting.add(look);
      look();
    });
  return { authenticator, logs, revoked, logged };
}

/** The error with which a promise or a call fails. */
export async function failureOf(action: () => unknown): Promise<unknown> {
  try {
    await action();
  } catch (error) {
    return error;
  }
  throw new Error('it did not fail');
}
