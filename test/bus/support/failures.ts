import { expect } from 'vitest';
import type { Subscription } from '../../../src/protocol/bus-api.js';
import { type BusError, ERROR_CODES, type ErrorCode } from '../../../src/protocol/errors.js';
import { within } from './wait.js';

/** The error that a test expects: its code, or one of several, and the texts that its message must contain. */
export async function refused(
  attempt: () => unknown,
  codes: ErrorCode | readonly ErrorCode[],
  names?: string,
): Promise<BusError> {
  let value: unknown;
  try {
    value = await within('the refusal', Promise.resolve().then(attempt));
  } catch (error) {
    return expectBusError(error, codes, names);
  }
  throw new Error(`not refused; expected ${codes}, got ${JSON.stringify(value)}`);
}

/** The error of a subscription, whether it is thrown at once or rejects `ready` and `closed`. */
export async function subscriptionRefused(
  subscribe: () => Subscription,
  codes: ErrorCode | readonly ErrorCode[],
  names?: string,
): Promise<BusError> {
  return refused(
    async () => {
      const subscription = subscribe();
      const ready = subscription.ready.catch(() => undefined);
      await Promise.race([subscription.closed, ready.then(() => subscription.ready)]);
      await subscription.unsubscribe();
    },
    codes,
    names,
  );
}

export function expectBusError(
  error: unknown,
  codes: ErrorCode | readonly ErrorCode[],
  names?: string,
): BusError {
  expect(error).toBeInstanceOf(Error);
  const busError = error as BusError;
  expect(`${busError.name}: ${busError.message}`).toMatch(/^BusError: ./);
  expect(ERROR_CODES, busError.message).toContain(busError.code);
  expect([codes].flat(), `${busError.code}: ${busError.message}`).toContain(busError.code);
  if (names !== undefined) expect(busError.message).toContain(names);
  return busError;
}
