/** What goes wrong with a NATS server, as errors of the bus that name the setting and the cure. */
import { BusError, type ErrorData } from '../../protocol/errors.js';
import { oneLine } from '../../protocol/quote.js';
import { messageOf } from '../../protocol/thrown.js';
import type { NatsSettings } from './nats-options.js';

const REASON_LENGTH_MAX = 300;

/** Of the server: https://github.com/nats-io/nats-server/blob/main/server/errors.json */
export const WRONG_LAST_SEQUENCE = 10071;
export const WRONG_LAST_SEQUENCE_UNKNOWN = 10164;
export const STREAM_NOT_FOUND = 10059;
export const MESSAGE_NOT_FOUND = 10037;
export const NAME_IN_USE = 10058;
export const DUPLICATE_IN_PROCESS = 10158;
const JETSTREAM_NOT_ENABLED = [10039, 10076];
const NO_ROOM = [10002, 10023, 10028, 10047, 10077];
const MESSAGE_TOO_LARGE = 10054;
const NO_PEERS = [10005, 10074];
const SUBJECTS_OVERLAP = 10065;

/** What the server says of a failed call. */
export interface ApiFault {
  readonly err_code: number;
  readonly description: string;
}

/** The answer to a message that was sent to a stream. */
export interface PubAck {
  /** 0: another sending of it, whose sequence is not known yet. */
  readonly seq?: number;
  readonly duplicate?: boolean;
  readonly error?: ApiFault;
}

/** Another message is the last one than was expected. */
export function isUnexpected({ err_code: code }: ApiFault): boolean {
  return code === WRONG_LAST_SEQUENCE || code === WRONG_LAST_SEQUENCE_UNKNOWN;
}

export function isFull(fault: ApiFault): boolean {
  return NO_ROOM.includes(fault.err_code);
}

export function isTooLarge(fault: ApiFault): boolean {
  return fault.err_code === MESSAGE_TOO_LARGE;
}

/** A server that has no leader yet, or has not found the others of its cluster, says so. */
export function isForming({ description }: ApiFault): boolean {
  return /temporarily|no leader|offline|no suitable peers/i.test(description);
}

/** The server has judged: asking again would not change it. */
export function isOfApi(error: unknown): boolean {
  const fault = apiFaultOf(error);
  return fault !== undefined && !isForming(fault);
}

/** The fault in an error of the client; undefined for a lost answer. */
export function apiFaultOf(error: unknown): ApiFault | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const { apiError } = error as { apiError?: () => unknown };
  if (typeof apiError !== 'function') return undefined;
  const { err_code: code, description } = apiError.call(error) as Partial<ApiFault>;
  return typeof code === 'number' ? { err_code: code, description: `${description}` } : undefined;
}

export function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : '';
}

/** Names the servers and the setting that has them. */
export function placeOf({ servers }: Pick<NatsSettings, 'servers'>): string {
  return `natsStore: servers: ${servers.join(', ')}`;
}

/** The servers took this client, and do so no more. */
export function endedFault(settings: NatsSettings, error: unknown): BusError {
  const fault = connectFault(settings, error ?? new Error('a server has closed it'));
  if (fault.code === 'OPTION_INVALID') return fault;
  const message = `${placeOf(settings)}: the connection has ended for good (${reasonOf(error)})`;
  return new BusError('STORE_FAILED', message, { cause: error });
}

/** Nobody has answered a question for so long. */
export function silentFault(place: string, what: string, limitMs: number): BusError {
  const message = `${place}: no answer about ${what} within ${Math.ceil(limitMs / 1000)} s: check that the servers run and see one another`;
  return new BusError('STORE_FAILED', message);
}

/** Why there is no connection. */
export function connectFault({ servers }: NatsSettings, error: unknown): BusError {
  const reason = reasonOf(error);
  const where = servers.join(', ');
  const invalid = (setting: string, message: string): BusError =>
    new BusError('OPTION_INVALID', `natsStore: ${setting}: ${message}`, { cause: error });
  if (nameOf(error).includes('Authori') || nameOf(error).includes('Authentication')) {
    return invalid(
      'credentials',
      `the server at ${where} refuses them (${reason}): give those of one of its users`,
    );
  }
  if (/nkey|seed|cred|jwt/i.test(reason)) {
    return invalid('credentials', `are malformed (${reason})`);
  }
  if (/tls|certificate|self.signed|altname|ssl/i.test(reason)) {
    return invalid(
      'tls',
      `no TLS with ${where} (${reason}): give the authority of its certificate in tls.ca`,
    );
  }
  return new BusError(
    'STORE_FAILED',
    `natsStore: servers: none of ${where} can be reached (${reason}): check that one runs there`,
    { cause: error },
  );
}

/** Why a stream cannot be made or changed. */
export function streamFault(stream: string, error: unknown): BusError {
  const fault = apiFaultOf(error);
  if (fault === undefined) return callFault(`stream ${stream}`, error);
  const { err_code: code, description } = fault;
  const invalid = (message: string): BusError =>
    new BusError('OPTION_INVALID', `natsStore: ${message}`, { cause: error });
  if (NO_PEERS.includes(code)) {
    return invalid(
      `replicas: the cluster has too few servers, or too little storage, for stream ${stream} (${description}): ` +
        'ask for fewer replicas or a smaller maxBytes, or add servers',
    );
  }
  if (isForming(fault)) return callFault(`stream ${stream}`, error);
  if (SUBJECTS_OVERLAP === code) {
    return invalid(
      `prefix: another stream has subjects of stream ${stream} (${description}): take another prefix`,
    );
  }
  if (JETSTREAM_NOT_ENABLED.includes(code)) return withoutJetStream(description);
  if (NO_ROOM.includes(code)) {
    return invalid(
      `maxBytes: the server has no such room for stream ${stream} (${description}): ask for less, or raise its limits`,
    );
  }
  return invalid(`stream ${stream}: the server refuses it (${description}, ${code})`);
}

export function withoutJetStream(description: string): BusError {
  return new BusError(
    'OPTION_INVALID',
    `natsStore: servers: the server has no JetStream for this account (${description}): ` +
      'start it with -js, or with jetstream {} in its configuration and the account',
  );
}

export function closedError(): BusError {
  return new BusError('STORE_FAILED', 'natsStore: the connection was closed');
}

/** The server leaves a call unanswered that its user may not make, and says so beside it. */
export function permissionFault(complaint: Error | undefined): BusError | undefined {
  if (nameOf(complaint) !== 'PermissionViolationError') return undefined;
  return new BusError(
    'OPTION_INVALID',
    `natsStore: credentials: their user lacks a permission (${reasonOf(complaint)}): grant it what a store needs`,
    { cause: complaint },
  );
}

/** A call without an answer. */
export function callFault(what: string, error: unknown): BusError {
  if (error instanceof BusError) return error;
  return new BusError('STORE_FAILED', `natsStore: ${what}: ${reasonOf(error)}`, { cause: error });
}

export function tooLarge(bytes: number, limit: number, setting: string): ErrorData {
  return {
    code: 'PAYLOAD_TOO_LARGE',
    message: `the event takes ${bytes} bytes as a message; ${setting} of the NATS server is ${limit}`,
    details: { bytes, limit, setting },
  };
}

export function storeFull(stream: string, description: string): ErrorData {
  return { code: 'STORE_FULL', message: `stream ${stream} takes no more events: ${description}` };
}

/** Its publisher cannot know whether it will be stored, and it would not be where it belongs. */
export function outOfOrder(topic: string, id: string): ErrorData {
  return {
    code: 'PUBLISH_UNKNOWN',
    message:
      `event ${id} on ${topic} was lost on its way when the stream's leader changed, and a later event of the topic ` +
      'is stored: sending it again would change their order',
    details: { topic, id },
  };
}

/** Its publisher cannot know whether it is stored. */
export function notKnown(topic: string, id: string, why: string): ErrorData {
  return {
    code: 'PUBLISH_UNKNOWN',
    message: `it is not known whether event ${id} on ${topic} is stored: ${why}`,
    details: { topic, id },
  };
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : '';
  const message = messageOf(error);
  const all = cause === '' || message.includes(cause) ? message : `${message}: ${cause}`;
  return oneLine(all, REASON_LENGTH_MAX);
}
