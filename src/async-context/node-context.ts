import { AsyncLocalStorage } from 'node:async_hooks';
import type { RunInContext } from './context.js';
import {
  captureHandlerContext as captureCallOnly,
  handlerOwner as ownerOfCall,
  within,
} from './no-context.js';

// Of all that has Node's modules, not everything has this one whole.
const hasSnapshots = typeof AsyncLocalStorage?.snapshot === 'function';

/**
 * The async context (what `AsyncLocalStorage` holds) of the caller, kept for calls that come later from an event loop's
 * socket or port, which have that of whoever opened it. Costs about 0.2 µs a call; a batch of events is one.
 */
export const captureContext = (): RunInContext => captureHandlerContext(undefined);

/** The same for the handler of `owner`: until it awaits something, its calls find the owner by `handlerOwner`. */
export const captureHandlerContext = (owner: object | undefined): RunInContext =>
  hasSnapshots ? within(owner, AsyncLocalStorage.snapshot()) : captureCallOnly(owner);

export const handlerOwner = ownerOfCall;
