import { AsyncLocalStorage } from 'node:async_hooks';
import type { RunInContext } from './context.js';
import {
  captureHandlerContext as captureCallOnly,
  handlerOwner as ownerOfCall,
  within,
} from './no-context.js';

// Some runtimes with Node's modules have `AsyncLocalStorage` without `snapshot`.
const hasSnapshots = typeof AsyncLocalStorage?.snapshot === 'function';

/**
 * Captures the caller's async context (the values of `AsyncLocalStorage`) for later calls. Without it, a call that
 * comes from a socket or port has the context of the code that opened the socket or port. Costs about 0.2 µs a call; a
 * batch of events is one call.
 */
export const captureContext = (): RunInContext => captureHandlerContext(undefined);

/**
 * As `captureContext`, for the handler of `owner`: until it awaits something, code that it calls finds the owner by
 * `handlerOwner`.
 */
export const captureHandlerContext = (owner: object | undefined): RunInContext =>
  hasSnapshots ? within(owner, AsyncLocalStorage.snapshot()) : captureCallOnly(owner);

export const handlerOwner = ownerOfCall;
