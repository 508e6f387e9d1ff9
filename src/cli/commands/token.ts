import { randomUUID } from 'node:crypto';
import { type Command, Option } from 'commander';
import type { Fault, Grants } from '../../auth/grants.js';
import type { StoredKey } from '../../auth/keys-file.js';
import { nameFault } from '../../protocol/event-fields.js';
import { API_KEYS_MAX, TOKEN_LENGTH_MAX } from '../../protocol/limits/auth.js';
import { configOption, readConfig } from '../config.js';
import { CommandFailure, failing, notify, usageFailure } from '../failure.js';
import { printable, writeLine } from '../output.js';
import { durationFrom, parseRate } from '../values.js';
import { DEFAULT_REVOKED_FILE, type RevokeJwtsOptions, revokeJwts } from './revoke-jwts.js';

/**
 * `millrace token`: mints API keys and JWTs, lists keys, and revokes both. It works on files alone; a running server
 * takes over changed files by itself.
 */

interface GrantOptions {
  publish?: string[];
  subscribe?: string[];
  consume?: string[];
  admin?: string[];
  source?: string;
  redact?: string[];
  publishPerSecond?: number;
  subscribePerSecond?: number;
  queryPerSecond?: number;
  json?: true;
}

interface KeysFileOptions {
  keysFile?: string;
  config?: string;
  json?: true;
}

interface KeyOptions extends GrantOptions, KeysFileOptions {
  name: string;
  expires?: number;
}

interface JwtOptions extends GrantOptions {
  secretFile: string;
  issuer: string;
  audience: string;
  subject: string;
  expires: number;
}

const DEFAULT_KEYS_FILE = './millrace.keys.json';
const DEFAULT_JWT_LIFETIME_MS = 3_600_000;
const LIFETIME_MS_MAX = 100 * 366 * 86_400_000;

export function addTokenCommand(program: Command): void {
  const token = program.command('token').description('create, list and revoke API keys and JWTs');
  const key = token
    .command('key')
    .description('make an API key, put its hash into the keys file, and print the key once')
    .requiredOption('--name <name>', "name of the key's holder")
    .addOption(
      lifetimeOption('lifetime of the key, such as 30d; default: until the key is revoked'),
    );
  addKeysFileOption(addGrantOptions(key)).action(mintKey);
  const jwt = token
    .command('jwt')
    .description('make a JWT, signed with a shared secret (HS256), and print it')
    .addOption(
      new Option('--secret-file <file>', 'file with the secret, of at least 32 bytes')
        .env('MILLRACE_JWT_SECRET_FILE')
        .makeOptionMandatory(),
    )
    .requiredOption('--issuer <issuer>', 'issuer that the server expects')
    .requiredOption('--audience <audience>', 'audience that the server expects')
    .requiredOption('--subject <name>', "name of the JWT's holder, its `sub`")
    .addOption(
      lifetimeOption('lifetime of the JWT, such as 1h').default(DEFAULT_JWT_LIFETIME_MS, '1h'),
    );
  addGrantOptions(jwt).action(mintJwtFor);
  const list = token.command('list').description('print the keys of the keys file');
  addKeysFileOption(list).option('--json', 'one key a line, as JSON').action(listKeys);
  const revoke = token
    .command('revoke')
    .description('take keys out of the keys file, or revoke JWTs; connections that use them end')
    .argument('<id...>', 'ids, as `token list` shows them; with --jwt, the claim `jti`');
  addKeysFileOption(revoke)
    .option('--jwt', 'the ids are of JWTs')
    .option(
      '--revoked-file <file>',
      `with --jwt: file to put them into; default: that of the config file, or ${DEFAULT_REVOKED_FILE}`,
    )
    .addOption(
      lifetimeOption('with --jwt: lifetime left to the tokens, after which the ids can be removed'),
    )
    .option('--json', 'one key or JWT a line, as JSON')
    .action((ids: string[], options: KeysFileOptions & RevokeJwtsOptions & { jwt?: true }) =>
      options.jwt === true ? revokeJwts(ids, options) : revokeKeys(ids, options),
    );
}

function addGrantOptions(command: Command): Command {
  const perSecond = (flags: string, description: string) =>
    new Option(flags, description).argParser(parseRate);
  return command
    .option(
      '--publish <pattern...>',
      'pattern of topics that the holder may publish to; may be repeated',
    )
    .option(
      '--subscribe <pattern...>',
      'pattern of topics that the holder may read; may be repeated',
    )
    .option(
      '--consume <pattern...>',
      'pattern of names of consumers whose events the holder may take; may be repeated',
    )
    .option(
      '--admin <pattern...>',
      "pattern of topics that the holder may administer; '*' is the whole bus",
    )
    .option('--source <name>', 'the source that all its events get')
    .option(
      '--redact <path...>',
      "part of payloads that is hidden from the holder, such as '$..secret'",
    )
    .addOption(
      perSecond(
        '--publish-per-second <n>',
        'events per second, over all connections of the holder',
      ),
    )
    .addOption(
      perSecond(
        '--subscribe-per-second <n>',
        'new subscriptions per second, over all connections of the holder',
      ),
    )
    .addOption(
      perSecond(
        '--query-per-second <n>',
        'queries and lists per second, over all connections of the holder',
      ),
    )
    .option('--json', 'print the token and its details as JSON');
}

function addKeysFileOption(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--keys-file <file>',
        `file of the keys; default: that of the config file, or ${DEFAULT_KEYS_FILE}`,
      ).env('MILLRACE_KEYS_FILE'),
    )
    .addOption(configOption());
}

function keysFileOf({ keysFile, config }: KeysFileOptions): string {
  return keysFile ?? readConfig(config).auth?.keysFile ?? DEFAULT_KEYS_FILE;
}

async function mintKey(options: KeyOptions): Promise<void> {
  const { mintApiKey } = await import('../../auth/api-key.js');
  const { parseStoredKey } = await import('../../auth/keys-file.js');
  const { id, key, hash } = mintApiKey();
  const { name, expires } = options;
  const keysFile = keysFileOf(options);
  const now = Date.now();
  const candidate = {
    id,
    name,
    hash,
    createdAt: new Date(now).toISOString(),
    ...(expires !== undefined && { expiresAt: new Date(now + expires).toISOString() }),
    ...grantsOf(options),
  };
  const faults: Fault[] = [];
  const stored = parseStoredKey(candidate, faults);
  if (stored === undefined) throw usageFaults(faults);
  await edit(keysFile, (keys) => {
    if (keys.length < API_KEYS_MAX) return [...keys, stored];
    throw new Error(`${keysFile} has ${keys.length} keys; ${API_KEYS_MAX} is the limit`);
  });
  warnIfPowerless(stored, 'key');
  notify(`key ${id} of ${JSON.stringify(name)} is in ${keysFile}; it is shown only once`);
  const { hash: _, ...shown } = stored;
  writeLine(options.json === true ? JSON.stringify({ key, ...shown, keysFile }) : key);
}

async function mintJwtFor(options: JwtOptions): Promise<void> {
  const { grantsSchema, parseOrFaults } = await import('../../auth/auth-options.js');
  const { fillFaults } = await import('../../auth/grant-templates.js');
  const { loadSecretFile } = await import('../../auth/jwt-key.js');
  const { mintJwt } = await import('../../auth/mint-jwt.js');
  const { secretFile, issuer, audience, subject, expires } = options;
  const faults: Fault[] = [];
  const grants = parseOrFaults(grantsSchema, grantsOf(options), faults);
  if (grants !== undefined) faults.push(...fillFaults(grants, { sub: subject }));
  const subjectFault = nameFault('subject', subject);
  if (subjectFault !== undefined) faults.push({ path: 'subject', message: subjectFault });
  if (grants === undefined || faults.length > 0) throw usageFaults(faults);
  const { key: secret, warning } = failing(() => loadSecretFile(secretFile));
  if (warning !== undefined) notify(warning);
  const issuedAt = Date.now();
  // A JWT holds whole seconds; rounded up, so that the lifetime is not shorter than asked for.
  const expiresAt = Math.ceil((issuedAt + expires) / 1000) * 1000;
  const id = randomUUID();
  const claims = { issuer, audience, subject, id, issuedAt, expiresAt, grants };
  const token = await mintJwt({ secret, ...claims });
  if (token.length > TOKEN_LENGTH_MAX) {
    throw new CommandFailure(
      `the JWT has ${token.length} characters; servers take ${TOKEN_LENGTH_MAX}`,
    );
  }
  warnIfPowerless(grants, 'JWT');
  const end = new Date(expiresAt).toISOString();
  const shown = { token, jti: id, issuer, audience, subject, expiresAt: end, ...grants };
  writeLine(options.json === true ? JSON.stringify(shown) : token);
}

async function listKeys(options: KeysFileOptions): Promise<void> {
  const { readKeysFile } = await import('../../auth/edit-keys-file.js');
  const keysFile = keysFileOf(options);
  for (const stored of failing(() => readKeysFile(keysFile)))
    writeKey(stored, options.json === true);
}

async function revokeKeys(ids: string[], options: KeysFileOptions): Promise<void> {
  const keysFile = keysFileOf(options);
  const wanted = new Set(ids);
  const revoked: StoredKey[] = [];
  const { readKeysFile } = await import('../../auth/edit-keys-file.js');
  // Read first, as `edit` would create a file with a mistyped name.
  failing(() => readKeysFile(keysFile));
  await edit(keysFile, (keys) => {
    revoked.push(...keys.filter(({ id }) => wanted.has(id)));
    for (const { id } of revoked) wanted.delete(id);
    const [unknown] = wanted;
    if (unknown === undefined) return keys.filter((stored) => !revoked.includes(stored));
    // Cut, as the whole key may have been given, whose rest is secret.
    throw new Error(`${keysFile} has no key with the id ${printable(unknown.slice(0, 16))}`);
  });
  for (const stored of revoked) writeKey(stored, options.json === true);
}

async function edit(
  keysFile: string,
  change: (keys: readonly StoredKey[]) => readonly StoredKey[],
): Promise<void> {
  const { editKeysFile } = await import('../../auth/edit-keys-file.js');
  failing(() => editKeysFile(keysFile, change));
}

function grantsOf(options: GrantOptions): Grants {
  const { publish, subscribe, consume, admin, source, redact } = options;
  const { publishPerSecond, subscribePerSecond, queryPerSecond } = options;
  const rates = {
    ...(publishPerSecond !== undefined && { publishPerSecond }),
    ...(subscribePerSecond !== undefined && { subscribePerSecond }),
    ...(queryPerSecond !== undefined && { queryPerSecond }),
  };
  return {
    ...(publish !== undefined && { publish }),
    ...(subscribe !== undefined && { subscribe }),
    ...(consume !== undefined && { consume }),
    ...(admin !== undefined && { admin }),
    ...(source !== undefined && { source }),
    ...(redact !== undefined && { redact }),
    ...(Object.keys(rates).length > 0 && { rates }),
  };
}

/** `0123456789abcdef  ci  publish build.*  subscribe *  expires 2026-02-01T00:00:00.000Z` */
function writeKey({ hash: _, ...shown }: StoredKey, isJson: boolean): void {
  if (isJson) {
    writeLine(JSON.stringify(shown));
    return;
  }
  const { id, name, publish = [], subscribe = [], consume = [], admin = [] } = shown;
  const { source, redact, expiresAt } = shown;
  const columns = [id, name];
  const readable = subscribe.map((grant) =>
    typeof grant === 'string' ? grant : `${grant.pattern} (without ${grant.redact.join(' ')})`,
  );
  if (publish.length > 0) columns.push(`publish ${publish.join(' ')}`);
  if (readable.length > 0) columns.push(`subscribe ${readable.join(' ')}`);
  if (consume.length > 0) columns.push(`consume ${consume.join(' ')}`);
  if (admin.length > 0) columns.push(`admin ${admin.join(' ')}`);
  if (source !== undefined) columns.push(`source ${source}`);
  if (redact !== undefined) columns.push(`without ${redact.join(' ')}`);
  if (expiresAt !== undefined) {
    columns.push(`${Date.parse(expiresAt) <= Date.now() ? 'expired' : 'expires'} ${expiresAt}`);
  }
  writeLine(printable(columns.join('  ')));
}

function warnIfPowerless({ publish, subscribe, consume, admin }: Grants, what: string): void {
  if ((publish ?? subscribe ?? consume ?? admin) !== undefined) return;
  const none = 'none of --publish, --subscribe, --consume and --admin';
  notify(`this ${what} may do nothing: it has ${none}`);
}

function lifetimeOption(description: string): Option {
  return new Option('--expires <duration>', description).argParser(
    durationFrom(1000, LIFETIME_MS_MAX, 'from 1s to 100 years'),
  );
}

/** Names the flags that the faults come from: `publish[0]` is `--publish` on the command line. */
function usageFaults(faults: readonly Fault[]): CommandFailure {
  const lines = faults.map(({ path, message }) => {
    const [field = ''] = path.replace('rates.', '').split(/[[.]/);
    return `--${field.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}: ${message}`;
  });
  return usageFailure(lines.join('\n'));
}
