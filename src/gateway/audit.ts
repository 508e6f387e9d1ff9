import type { Principal } from '../auth/principal.js';
import type { DoorCount } from '../protocol/door-counts.js';
import { BusError, type ErrorCode } from '../protocol/errors.js';
import { quote } from '../protocol/quote.js';
import type { GatewayLogger } from './gateway-log.js';

/**
 * Counts failed sign-ins and administrative acts and, with the option `audit`, writes a log line for each: the
 * principal, its address, the act and its result. No line holds a token or a payload. Acts beyond the rate are only
 * counted, as a line costs more than the refusal. A gateway has one; one thread
 * uses it.
 */

export interface Administrator {
  readonly principal: Principal;
  readonly address: string;
}

export type Act =
  | 'backup'
  | 'prune'
  | 'disconnect'
  | 'setAlert'
  | 'removeAlert'
  | 'setConsumer'
  | 'alterConsumer'
  | 'deleteConsumer'
  | 'cancelPublish'
  | 'setSchedule'
  | 'alterSchedule'
  | 'deleteSchedule';

export class Audit {
  readonly #count: (count: DoorCount) => void;
  readonly #log: GatewayLogger | undefined;

  /** Without `log`, acts are only counted. */
  constructor(count: (count: DoorCount) => void, log?: GatewayLogger) {
    this.#count = count;
    this.#log = log;
  }

  /**
   * Counts and logs a failed sign-in. `hasToken`: the client showed a token. Errors that do not concern the sign-in are
   * ignored.
   */
  signInFailed(address: string, hasToken: boolean, error: BusError): void {
    const { code, message } = error;
    const reason = reasonOf(code, hasToken);
    if (reason === undefined) return;
    this.#count(`signIn.${reason}`);
    this.#log?.('warn', 'audit', { act: 'sign-in', result: reason, address, reason: message });
  }

  /**
   * Does the work, then counts and logs its result. `what` is the pattern, directory, id or name, as the client wrote
   * it.
   */
  async administer<T>(
    act: Act,
    { principal, address }: Administrator,
    what: string,
    work: () => Promise<T>,
  ): Promise<T> {
    const { id, name } = principal;
    const note = (result: 'done' | 'refused' | 'failed', more: object = {}): void => {
      this.#count(`${act}.${result}`);
      const fields = { act, result, address, principal: name, principalId: id, what: quote(what) };
      this.#log?.(result === 'done' ? 'info' : 'warn', 'audit', { ...fields, ...more });
    };
    try {
      const result = await work();
      note('done');
      return result;
    } catch (error) {
      const code = error instanceof BusError ? error.code : 'INTERNAL';
      if (code === 'RATE_LIMITED') this.#count(`${act}.limited`);
      else note(code === 'FORBIDDEN' ? 'refused' : 'failed', { code });
      throw error;
    }
  }
}

function reasonOf(code: ErrorCode, hasToken: boolean) {
  switch (code) {
    case 'UNAUTHENTICATED':
    case 'FORBIDDEN':
      return hasToken ? 'refused' : 'missing';
    case 'AUTH_UNAVAILABLE':
      return 'unavailable';
    case 'RATE_LIMITED':
    case 'LIMIT_EXCEEDED':
      return 'limited';
    default:
      return undefined;
  }
}
