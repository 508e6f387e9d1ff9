import * as v from 'valibot';
import { BusError } from '../protocol/errors.js';
import { nameFault } from '../protocol/event-fields.js';
import {
  AUTH_FAULTS_SHOWN_MAX,
  GRANT_PATTERNS_MAX,
  JWT_CLOCK_TOLERANCE_MS_MAX,
  JWT_NAME_LENGTH_MAX,
  JWT_NAMES_MAX,
  JWT_SECRET_BYTES_MIN,
  REDACTION_PATHS_MAX,
} from '../protocol/limits/auth.js';
import { objectOf } from '../protocol/object-schema.js';
import { quote } from '../protocol/quote.js';
import { schemaFault } from '../protocol/schema-fault.js';
import { utf8Length } from '../protocol/utf8.js';
import { fillFaults, grantPatternFault } from './grant-templates.js';
import type { Fault, Grants } from './grants.js';
import { redactionPathFault } from './redaction-path.js';

/**
 * The options of authentication and their schemas: of grants, as in a keys file, in a JWT's claim and in the options,
 * and of the options themselves. A config file holds the same values. Any thread.
 */

export const JWT_ALGORITHMS = ['HS256', 'RS256', 'PS256', 'ES256', 'EdDSA'] as const;

export type JwtAlgorithm = (typeof JWT_ALGORITHMS)[number];

export interface JwtOptions {
  /** Exactly one of these five says what signatures are checked with; 32 bytes or more. Default: none. */
  readonly secret?: string;
  /** The file of the secret. Default: none. */
  readonly secretFile?: string;
  /** A public key, PEM. Default: none. */
  readonly publicKey?: string;
  /** The file of the public key. Default: none. */
  readonly publicKeyFile?: string;
  /** Where the issuer publishes its key set: `https:`, or `http:` on this machine. Default: none. */
  readonly jwksUrl?: string;
  /** No other is accepted; with a public key or a key set they have to be named. Default with a secret: `HS256`. */
  readonly algorithms?: readonly JwtAlgorithm[];
  /** The claim `iss` has to be this, or one of these. */
  readonly issuer: string | readonly string[];
  /** The claim `aud` has to hold this, or one of these. */
  readonly audience: string | readonly string[];
  /** For `nbf`: how far the issuer's clock may be ahead; `exp` is exact. Default 5000. */
  readonly clockToleranceMs?: number;
}

export interface AuthOptions {
  /** The file of API keys, as `millrace token key` writes it; watched. Default: no API keys are accepted. */
  readonly keysFile?: string;
  /** Whose JWTs are accepted, and how they are checked. Default: none are. */
  readonly jwt?: JwtOptions;
  /**
   * The file of JWTs that are revoked, by their `jti`: one a line, as `millrace token revoke --jwt` writes them; watched.
   * Default: none are.
   */
  readonly revokedFile?: string;
  /** What a client without a token may do; `false`: it is refused. Default false. */
  readonly anonymous?: Grants | false;
  /** Says once more whether a token is needed; contradicting `anonymous` is a fault. Default: as `anonymous` has it. */
  readonly required?: boolean;
}

const text = (faultOf: (text: string) => string | undefined) =>
  v.pipe(
    v.string(),
    v.rawCheck(({ dataset, addIssue }) => {
      const fault = dataset.typed ? faultOf(dataset.value) : undefined;
      if (fault !== undefined) addIssue({ message: fault });
    }),
  );

const pattern = text(grantPatternFault);
const patterns = v.pipe(v.array(pattern), v.maxLength(GRANT_PATTERNS_MAX));
const paths = v.pipe(v.array(text(redactionPathFault)), v.maxLength(REDACTION_PATHS_MAX));
const perSecond = v.pipe(v.number(), v.minValue(0.001), v.maxValue(1_000_000_000));
const subscribeGrant = v.lazy((input) =>
  typeof input === 'string' ? pattern : objectOf({ pattern, redact: paths }),
);

/** The fields of grants, for schemas with further fields. */
export const grantFields = {
  publish: v.exactOptional(patterns),
  subscribe: v.exactOptional(v.pipe(v.array(subscribeGrant), v.maxLength(GRANT_PATTERNS_MAX))),
  consume: v.exactOptional(patterns),
  admin: v.exactOptional(patterns),
  source: v.exactOptional(text((source) => nameFault('source', source))),
  redact: v.exactOptional(paths),
  rates: v.exactOptional(
    objectOf({
      publishPerSecond: v.exactOptional(perSecond),
      subscribePerSecond: v.exactOptional(perSecond),
      queryPerSecond: v.exactOptional(perSecond),
    }),
  ),
};

/** Adds faults that a check of the whole value has found. */
export function addFaults(
  faults: readonly Fault[],
  addIssue: (issue: { message: string }) => void,
): void {
  for (const { path, message } of faults) addIssue({ message: `${path}: ${message}` });
}

export const grantsSchema = objectOf(grantFields);

/** Patterns for anonymous clients may not name claims, as such clients have none. */
const anonymousSchema = v.pipe(
  grantsSchema,
  v.rawCheck(({ dataset, addIssue }) => {
    if (dataset.typed) addFaults(fillFaults(dataset.value, {}), addIssue);
  }),
);

const someText = v.pipe(v.string(), v.nonEmpty());
const jwtName = v.pipe(v.string(), v.nonEmpty(), v.maxLength(JWT_NAME_LENGTH_MAX));
const jwtNames = v.lazy((input) =>
  Array.isArray(input)
    ? v.pipe(v.array(jwtName), v.nonEmpty(), v.maxLength(JWT_NAMES_MAX))
    : jwtName,
);

const KEY_SOURCES = ['secret', 'secretFile', 'publicKey', 'publicKeyFile', 'jwksUrl'] as const;

const jwtSchema = v.pipe(
  objectOf({
    // Not `text`, whose faults quote the value: a secret must not stand in a message, not even a short one.
    secret: v.exactOptional(
      v.custom<string>(
        (secret) => typeof secret === 'string' && utf8Length(secret) >= JWT_SECRET_BYTES_MIN,
        `has to be text of at least ${JWT_SECRET_BYTES_MIN} bytes`,
      ),
    ),
    secretFile: v.exactOptional(someText),
    publicKey: v.exactOptional(someText),
    publicKeyFile: v.exactOptional(someText),
    jwksUrl: v.exactOptional(text(jwksUrlFault)),
    algorithms: v.exactOptional(v.pipe(v.array(v.picklist(JWT_ALGORITHMS)), v.nonEmpty())),
    issuer: jwtNames,
    audience: jwtNames,
    clockToleranceMs: v.exactOptional(
      v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(JWT_CLOCK_TOLERANCE_MS_MAX)),
    ),
  }),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    for (const message of contradictions(dataset.value)) addIssue({ message });
  }),
);

/** For a config file's own schema. */
export const authSchema = v.pipe(
  objectOf({
    keysFile: v.exactOptional(someText),
    jwt: v.exactOptional(jwtSchema),
    revokedFile: v.exactOptional(someText),
    anonymous: v.exactOptional(
      v.lazy((input) => (input === false ? v.literal(false) : anonymousSchema)),
    ),
    required: v.exactOptional(v.boolean()),
  }),
  v.rawCheck(({ dataset, addIssue }) => {
    const message = dataset.typed ? requirementFault(dataset.value) : undefined;
    if (message !== undefined) addIssue({ message });
  }),
);

/** @throws BusError `OPTION_INVALID`, with every fault in `details.faults` */
export function parseAuthOptions(options: unknown): AuthOptions {
  const faults: Fault[] = [];
  const parsed = parseOrFaults(authSchema, options, faults);
  if (parsed === undefined) throw faultyOptions('auth', faults);
  return Object.freeze(parsed);
}

/** Parses a value. On faults returns `undefined` and appends every fault to `faults`. */
export function parseOrFaults<S extends v.GenericSchema>(
  schema: S,
  value: unknown,
  faults: Fault[],
): v.InferOutput<S> | undefined {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  for (const issue of result.issues) {
    faults.push({ path: presentable(pathOf(issue)), message: presentable(schemaFault(issue)) });
  }
  return undefined;
}

const FAULT_LENGTH_MAX = 240;

/** A fault's text made fit to show: it may quote a value of any length, or a key that was put in the wrong place. */
function presentable(text: string): string {
  const safe = text.replace(TOKENS, '[a token]');
  return safe.length > FAULT_LENGTH_MAX ? `${safe.slice(0, FAULT_LENGTH_MAX)}…` : safe;
}

/** API keys and JWTs. */
const TOKENS = /mr_[0-9a-z]{16}_[\w-]*|eyJ[\w-]+\.[\w.-]*/g;

export function faultyOptions(what: string, faults: readonly Fault[]): BusError {
  const shown = faults.slice(0, AUTH_FAULTS_SHOWN_MAX);
  return new BusError('OPTION_INVALID', `${what}: ${faultsText(faults)}`, {
    details: { faults: shown, count: faults.length },
  });
}

/** The faults on one line; those beyond the bound only as a count. */
export function faultsText(faults: readonly Fault[]): string {
  const shown = faults
    .slice(0, AUTH_FAULTS_SHOWN_MAX)
    .map(({ path, message }) => (path === '' ? message : `${path}: ${message}`));
  const more = faults.length - shown.length;
  return more > 0 ? `${shown.join('; ')}; and ${more} more` : shown.join('; ');
}

/** `keys[3].subscribe[0].redact[1]` */
function pathOf(issue: v.BaseIssue<unknown>): string {
  let path = '';
  for (const { key } of issue.path ?? []) {
    if (typeof key === 'number') path += `[${key}]`;
    else path += path === '' ? String(key) : `.${String(key)}`;
  }
  return path;
}

function* contradictions(jwt: JwtOptions): Generator<string> {
  const given = KEY_SOURCES.filter((source) => jwt[source] !== undefined);
  if (given.length !== 1) {
    const found = given.length === 0 ? 'none' : given.join(' and ');
    yield `needs exactly one of ${KEY_SOURCES.join(', ')}, and has ${found}`;
    return;
  }
  const isShared = given[0] === 'secret' || given[0] === 'secretFile';
  const { algorithms } = jwt;
  if (isShared) {
    const other = algorithms?.find((algorithm) => algorithm !== 'HS256');
    if (other !== undefined) yield `algorithms: a secret makes HS256, not ${other}`;
  } else if (algorithms === undefined) {
    yield `algorithms: have to be named with ${given[0]}`;
  } else if (algorithms.includes('HS256')) {
    // With HS256, anybody who knows the public key could sign.
    yield `algorithms: HS256 needs a secret, not ${given[0]}`;
  }
}

function requirementFault(options: AuthOptions): string | undefined {
  const { keysFile, jwt, revokedFile, anonymous, required } = options;
  const letsAnonymousIn = anonymous !== undefined && anonymous !== false;
  if (keysFile === undefined && jwt === undefined && !letsAnonymousIn) {
    return 'needs keysFile, jwt or grants for anonymous: without them no client could get in';
  }
  if (revokedFile !== undefined && jwt === undefined) {
    return 'revokedFile needs jwt: it lists JWTs, by their ids';
  }
  if (required === true && letsAnonymousIn) {
    return 'required: true contradicts the grants of anonymous';
  }
  if (required === false && !letsAnonymousIn) {
    return 'required: false needs grants for anonymous, which clients without a token then have';
  }
  return undefined;
}

function jwksUrlFault(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isLocal = url !== undefined && /^(localhost|127\.0\.0\.1|\[::1\])$/.test(url.hostname);
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLocal);
  if (!isSafe) return `${quote(text)} is no https: address`;
  return url.username === '' && url.password === ''
    ? undefined
    : 'an address with a password in it is refused';
}
