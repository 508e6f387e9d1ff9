import type { Principal } from '../auth/principal.js';
import type { DoorCount } from '../protocol/door-counts.js';
import { BusError, type ErrorCode } from '../protocol/errors.js';
import { quote } from '../protocol/quote.js';
import type { GatewayLogger } from './gateway-log.js';

/**
 * Counts sign-ins that failed and administrative acts, and writes a line of each into the log where that was asked for:
 * who, from which address, what, and how it ended. Never a token, and never a payload. One for a gateway; one thread.
 */

export interface Administrator {
  readonly principal: Principal;
  readonly address: string;
}

export class Audit {
  readonly #count: (count: DoorCount) => void;
  readonly #log: GatewayLogger | undefined;

  /** `log` is left out where no lines are wanted. */
  constructor(count: (count: DoorCount) => void, log?: GatewayLogger) {
    this.#count = count;
    this.#log = log;
  }

  /** `hasToken`: whether one was shown. Errors that say nothing of who asks are passed over. */
  signInFailed(address: string, hasToken: boolean, error: BusError): void {
    const { code, message } = error;
    const reason = reasonOf(code, hasToken);
    if (reason === undefined) return;
    this.#count(`signIn.${reason}`);
    this.#log?.('warn', 'audit', { act: 'sign-in', result: reason, address, reason: message });
  }

  /** Does the work, and tells how it ended. `what`: a pattern, a directory; it may be a stranger's text. */
  async administer<T>(
    act: 'backup' | 'prune',
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
      note(code === 'FORBIDDEN' ? 'refused' : 'failed', { code });
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
