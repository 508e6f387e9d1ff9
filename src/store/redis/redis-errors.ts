import { BusError } from '../../protocol/errors.js';
import { messageOf } from '../../protocol/thrown.js';

/** Redis will answer otherwise before long: it loads its data, changes its role, or lacks a replica. */
const PASSING = new Set([
  'LOADING',
  'MASTERDOWN',
  'CLUSTERDOWN',
  'TRYAGAIN',
  'MOVED',
  'ASK',
  'READONLY',
  'UNBLOCKED',
  'BUSY',
  'NOREPLICAS',
]);
/** Of those, the ones that say that another server is the master now. */
const OTHER_MASTER = new Set(['READONLY', 'UNBLOCKED', 'MASTERDOWN', 'MOVED']);
const CREDENTIALS = new Set(['WRONGPASS', 'NOAUTH', 'DENIED']);

/** The first word of an error that Redis answered; undefined where the connection failed. */
export function replyCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.name !== 'ReplyError') return undefined;
  return error.message.split(' ', 1)[0];
}

export function isPassing(error: unknown): boolean {
  const code = replyCode(error);
  return code === undefined ? !(error instanceof BusError) : PASSING.has(code);
}

export function saysOtherMaster(error: unknown): boolean {
  return OTHER_MASTER.has(replyCode(error) ?? '');
}

/** Nobody but the operator can cure it. */
export function isRefusal(error: unknown): boolean {
  const code = replyCode(error) ?? '';
  return (
    CREDENTIALS.has(code) ||
    code === 'NOPERM' ||
    /invalid password|no password is set/i.test(messageOf(error))
  );
}

/** The client's errors have their command with all its arguments: passwords, and payloads. */
function withoutCommand(error: unknown): Error {
  const plain = new Error(messageOf(error));
  if (error instanceof Error) plain.name = error.name;
  return plain;
}

/** The error of the store for one of Redis or of its client: it names the setting, where one can cure it. */
export function storeError(error: unknown, place: string): BusError {
  if (error instanceof BusError) return error;
  const said = messageOf(error);
  const failed = (setting: string, cure: string): BusError =>
    new BusError('STORE_FAILED', `${place}: ${cure} (${said})`, {
      details: { setting },
      cause: withoutCommand(error),
    });
  const code = replyCode(error) ?? '';
  if (CREDENTIALS.has(code) || /invalid password|no password is set/i.test(said)) {
    return failed('password', 'it refuses the credentials: check username and password');
  }
  if (code === 'NOPERM') {
    return failed('username', 'the user lacks a right: give it one with ACL SETUSER');
  }
  if (code === 'WRONGTYPE') {
    return failed('prefix', 'another program has a key under this prefix: choose another prefix');
  }
  if (isFull(said))
    return new BusError('STORE_FULL', fullMessage(said, place), { cause: withoutCommand(error) });
  return new BusError('STORE_FAILED', `${place}: ${said}`, { cause: withoutCommand(error) });
}

/** Whether Redis has no memory left, or its disk no room. */
export function isFull(said: string): boolean {
  return /^(?:OOM|MISCONF) /.test(said);
}

export function fullMessage(said: string, place: string): string {
  const cure = said.startsWith('OOM')
    ? 'raise maxmemory or remove events'
    : 'free the disk of Redis';
  return `${place} has no room: ${cure} (${said})`;
}
