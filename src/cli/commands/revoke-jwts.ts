import type { RevokedToken } from '../../auth/revoked-file.js';
import { REVOKED_TOKENS_MAX } from '../../protocol/limits/auth.js';
import { readConfig } from '../config.js';
import { failing, notify, usageFailure } from '../failure.js';
import { writeLine } from '../output.js';

/** `millrace token revoke --jwt`: puts ids of JWTs into the file of revoked JWTs. */

export interface RevokeJwtsOptions {
  revokedFile?: string;
  expires?: number;
  config?: string;
  json?: true;
}

export const DEFAULT_REVOKED_FILE = './millrace.revoked';

export async function revokeJwts(ids: string[], options: RevokeJwtsOptions): Promise<void> {
  const { jtiFault } = await import('../../auth/revoked-file.js');
  const { editRevokedFile } = await import('../../auth/edit-keys-file.js');
  for (const jti of ids) {
    const fault = jtiFault(jti);
    if (fault !== undefined) throw usageFailure(`token revoke --jwt: this is ${fault}`);
  }
  const { expires } = options;
  const path =
    options.revokedFile ?? readConfig(options.config).auth?.revokedFile ?? DEFAULT_REVOKED_FILE;
  const now = Date.now();
  const end = expires === undefined ? {} : { expiresAt: new Date(now + expires).toISOString() };
  const added = [...new Set(ids)].map((jti): RevokedToken => ({ jti, ...end }));
  failing(() => editRevokedFile(path, (tokens) => withAdded(tokens, added, now, path)));
  notify(`servers that use ${path} end the connections of these JWTs, and refuse them`);
  for (const token of added) writeLine(options.json === true ? JSON.stringify(token) : token.jti);
}

/** Expired tokens are left out, as servers refuse them anyway. */
function withAdded(
  tokens: readonly RevokedToken[],
  added: readonly RevokedToken[],
  now: number,
  path: string,
): readonly RevokedToken[] {
  const isAdded = new Set(added.map(({ jti }) => jti));
  const kept = tokens.filter(
    ({ jti, expiresAt }) =>
      !isAdded.has(jti) && (expiresAt === undefined || Date.parse(expiresAt) > now),
  );
  const all = [...kept, ...added];
  if (all.length <= REVOKED_TOKENS_MAX) return all;
  throw new Error(`${path} has ${kept.length} ids; ${REVOKED_TOKENS_MAX} is the limit`);
}
