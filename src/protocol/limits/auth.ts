import { KIB, MIB } from './units.js';

/** Limits of keys, tokens, grants and masks, and of the files that hold them. */

/** The length of an API key or a JWT, in characters. */
export const TOKEN_LENGTH_MAX = 8 * KIB;
/** How many patterns one list of grants may hold. */
export const GRANT_PATTERNS_MAX = 256;
/** How many faults of one file or option are shown; the others are only counted. */
export const AUTH_FAULTS_SHOWN_MAX = 100;
/**
 * For how many principals the rates are remembered over their connections; the one unseen longest is forgotten first.
 */
export const RATED_PRINCIPALS_MAX = 10_000;

/** How many redaction paths one list may hold, and the characters and steps of a path. */
export const REDACTION_PATHS_MAX = 64;
export const REDACTION_PATH_LENGTH_MAX = 256;
export const REDACTION_PATH_STEPS_MAX = 16;
/**
 * How many steps of redaction paths may be examined for one payload; beyond that, the rest of the payload is masked.
 */
export const REDACTION_WORK_MAX = 262_144;
/** For how many topics a principal remembers the masks. Few, as each connection with a JWT has its own principal. */
export const REDACTION_TOPICS_CACHED_MAX = 64;

export const API_KEYS_MAX = 10_000;
export const KEYS_FILE_BYTES_MAX = 16 * MIB;
/** How many JWTs may be revoked by their ids, and the size of the file. */
export const REVOKED_TOKENS_MAX = 100_000;
export const REVOKED_FILE_BYTES_MAX = 32 * MIB;
/**
 * How often such files are checked in case the platform does not report changes, and how long a reported change may
 * settle.
 */
export const WATCHED_FILE_POLL_MS = 1000;
export const WATCHED_FILE_SETTLE_MS = 50;

/** The size of a file that holds a secret or a public key. */
export const KEY_MATERIAL_BYTES_MAX = 64 * KIB;
/** A shorter shared secret would be weaker than the signature that it makes. */
export const JWT_SECRET_BYTES_MIN = 32;
export const JWT_RSA_BITS_MIN = 2048;
/** How far the issuer's clock may be ahead of the server's. */
export const JWT_CLOCK_TOLERANCE_MS = 5000;
export const JWT_CLOCK_TOLERANCE_MS_MAX = 60_000;
/** How many issuers and audiences may be named, and the characters of one name. */
export const JWT_NAMES_MAX = 16;
export const JWT_NAME_LENGTH_MAX = 1024;

/** A remote key set is kept this long, fetched at most this often, and waited for this long. */
export const JWKS_CACHE_MS = 600_000;
export const JWKS_COOLDOWN_MS = 30_000;
export const JWKS_TIMEOUT_MS = 5000;
export const JWKS_BYTES_MAX = 256 * KIB;
