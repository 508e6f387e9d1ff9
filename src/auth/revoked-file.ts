import { REVOKED_TOKENS_MAX } from '../protocol/limits/auth.js';
import type { Fault } from './grants.js';
import { isTime } from './time.js';

/**
 * The file of revoked JWTs, written by `millrace token revoke --jwt` and by hand: one id (`jti`) a line, and after it,
 * if known, the time at which the token expires and the line can go. `#` begins a comment. Any thread.
 */

export interface RevokedToken {
  readonly jti: string;
  /** RFC 3339. */
  readonly expiresAt?: string;
}

const JTI_LENGTH_MAX = 255;

/**
 * Says what is wrong with an id, without quoting it, as it may be the token itself; `undefined` if it can be revoked.
 */
export function jtiFault(jti: string): string | undefined {
  if (/^[\w-]+\.[\w-]+\.[\w-]*$/.test(jti) && jti.startsWith('eyJ')) {
    return 'a JWT itself; its id is the claim "jti"';
  }
  if (jti.length > JTI_LENGTH_MAX) return `an id of more than ${JTI_LENGTH_MAX} characters`;
  const isPlain = jti !== '' && !/[\s\p{Cc}]/u.test(jti) && !jti.startsWith('#');
  return isPlain ? undefined : 'an id that is empty, begins with "#" or holds whitespace';
}

/** Parses the file. On faults returns `undefined` and appends every fault to `faults`. */
export function parseRevokedFile(text: string, faults: Fault[]): RevokedToken[] | undefined {
  const before = faults.length;
  const tokens: RevokedToken[] = [];
  // A file that is being written is empty at first, and then may end within a line. Reading it then must not drop
  // revocations.
  if (text === '') faults.push({ path: '', message: 'is empty; a line "# none" revokes nothing' });
  else if (!text.endsWith('\n')) faults.push({ path: '', message: 'has no last line end' });
  for (const [index, line] of text.split('\n').entries()) {
    const [jti, expiresAt, ...more] = wordsOf(line);
    if (jti === undefined) continue;
    const fault = jtiFault(jti) ?? timesFault(expiresAt, more);
    if (fault !== undefined) faults.push({ path: `line ${index + 1}`, message: fault });
    else tokens.push(expiresAt === undefined ? { jti } : { jti, expiresAt });
  }
  if (tokens.length > REVOKED_TOKENS_MAX) {
    const message = `has ${tokens.length} ids; ${REVOKED_TOKENS_MAX} is the limit`;
    faults.push({ path: '', message });
  }
  return faults.length === before ? tokens : undefined;
}

/** The words of a line up to its comment. A `#` within a word begins none, as an id may hold it. */
function wordsOf(line: string): string[] {
  const words = line.split(/\s+/).filter((word) => word !== '');
  const comment = words.findIndex((word) => word.startsWith('#'));
  return comment === -1 ? words : words.slice(0, comment);
}

function timesFault(expiresAt: string | undefined, more: readonly string[]): string | undefined {
  if (more.length > 0) return 'holds more than an id and a time';
  if (expiresAt === undefined || isTime(expiresAt)) return undefined;
  return 'after the id stands no time such as 2026-01-31T12:00:00Z';
}

export function revokedFileText(tokens: readonly RevokedToken[]): string {
  const lines = tokens.map(({ jti, expiresAt = '' }) => `${jti} ${expiresAt}`.trimEnd());
  return `# JWTs that are revoked: jti, and when they end by themselves\n${lines.map((line) => `${line}\n`).join('')}`;
}
