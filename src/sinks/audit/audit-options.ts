import type { Consumer } from '../../protocol/consumers.js';
import {
  AUDIT_CONCURRENCY,
  AUDIT_CONCURRENCY_MAX,
  AUDIT_FILE_BYTES,
  AUDIT_FILE_BYTES_MAX,
  AUDIT_FILE_BYTES_MIN,
  AUDIT_ROTATE_MS_MIN,
} from '../../protocol/limits/audit.js';
import {
  aFunction,
  checkOptions,
  type OptionCheck,
  optionInvalid,
  wholeNumber,
} from '../../protocol/options.js';
import { quote } from '../../protocol/quote.js';
import { aConsumer } from '../consumer-option.js';
import type { SinkOptions } from '../sink.js';
import { SINK_CHECKS } from '../sink-life.js';
import { hmacKeyFault, hmacSeal, type Seal, signingKeyFault, signingSeal } from './seal.js';
import type { TrailHead } from './trail.js';

/** The options of `audit`, checked once. */

export interface AuditOptions<P = unknown> extends SinkOptions {
  /** The consumer whose events are written. */
  consumer: Consumer<P>;
  /** The directory of the trail's files, made if it is not there. Nothing else may be in it under their names. */
  path: string;
  /**
   * Seals each line with an HMAC of this key, 16 bytes to 4 KiB, so that nobody without it can write a line that is taken
   * for right. Default: none; whoever may write the files can then write them anew as a whole.
   */
  key?: string | Uint8Array;
  /** Instead of `key`: a private key of Ed25519 in PEM. The public one then proves the lines. Default: none. */
  signingKey?: string;
  /** The size beyond which the next file is begun, 1 KiB to 1 GiB. Default 64 MiB. */
  rotateBytes?: number;
  /** The age at which the next file is begun by the next event, at least 1000 ms. Default: none. */
  rotateMs?: number;
  /** How many events are held to be written together, 1 to 4096. Default 1000. */
  concurrency?: number;
  /**
   * Called with the new end of the trail after each flush. Keep it where those cannot write who can write the files: only
   * such an anchor shows that lines are missing at the end. Default: nobody is told.
   */
  onHead?: (head: TrailHead) => void;
}

export interface ParsedAuditOptions<P> extends SinkOptions {
  readonly consumer: Consumer<P>;
  readonly path: string;
  readonly seal: Seal | undefined;
  readonly rotateBytes: number;
  readonly rotateMs: number;
  readonly concurrency: number;
  readonly onHead: (head: TrailHead) => void;
}

const aPath: OptionCheck = (value) =>
  typeof value === 'string' && value !== '' && !value.includes('\0')
    ? undefined
    : `has to be a path, not ${quote(value)}`;

const CHECKS: ReadonlyMap<string, OptionCheck> = new Map([
  ...SINK_CHECKS,
  ['consumer', aConsumer],
  ['path', aPath],
  ['key', hmacKeyFault],
  ['signingKey', signingKeyFault],
  ['rotateBytes', wholeNumber(AUDIT_FILE_BYTES_MIN, AUDIT_FILE_BYTES_MAX)],
  ['rotateMs', wholeNumber(AUDIT_ROTATE_MS_MIN, Number.MAX_SAFE_INTEGER)],
  ['concurrency', wholeNumber(1, AUDIT_CONCURRENCY_MAX)],
  ['onHead', aFunction],
]);

/** @throws BusError `OPTION_INVALID`, with every fault in `details.faults`; it shows no key */
export function parseAuditOptions<P>(options: AuditOptions<P>): ParsedAuditOptions<P> {
  checkOptions('audit', options, CHECKS);
  const { consumer, path, key, signingKey } = options;
  if (consumer === undefined) throw optionInvalid('audit', 'consumer', 'is missing');
  if (path === undefined) throw optionInvalid('audit', 'path', 'is missing');
  if (key !== undefined && signingKey !== undefined) {
    throw optionInvalid('audit', 'key', 'goes instead of signingKey, and both are there');
  }
  const { rotateBytes = AUDIT_FILE_BYTES, rotateMs = Number.POSITIVE_INFINITY } = options;
  const { concurrency = AUDIT_CONCURRENCY, onHead = () => {}, name, signal, onError } = options;
  return Object.freeze({
    ...(name === undefined ? {} : { name }),
    ...(signal === undefined ? {} : { signal }),
    ...(onError === undefined ? {} : { onError }),
    ...{ consumer, path, rotateBytes, rotateMs, concurrency, onHead },
    seal: sealOf(key, signingKey),
  });
}

function sealOf(key: AuditOptions['key'], signingKey: string | undefined): Seal | undefined {
  if (key !== undefined) return hmacSeal(key);
  return signingKey === undefined ? undefined : signingSeal(signingKey);
}
