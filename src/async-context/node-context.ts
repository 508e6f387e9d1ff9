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
 * Since Node 24 a storage costs nothing per promise. Before, one that is in use slows down every promise of the process
 * (100,000 publishes took a quarter longer), so handlers are told apart there as in a browser.
 */
const STORAGE_IS_FREE_SINCE = 24;
const owners =
  hasSnapshots && Number.parseInt(process.versions.node, 10) >= STORAGE_IS_FREE_SINCE
    ? new AsyncLocalStorage<object>()
    : undefined;

/**
 * The async context (what `AsyncLocalStorage` holds) of the caller, kept for calls that come later from an event loop's
 * socket or port, which have that of whoever opened it. Costs about 0.2 µs a call; a batch of events is one.
 */
export const captureContext = (): RunInContext => captureHandlerContext(handlerOwner());

/** The same for the handler of `owner`: what it calls, awaits and starts finds the owner by `handlerOwner`. */
export const captureHandlerContext = (owner: object | undefined): RunInContext => {
  if (!hasSnapshots) return captureCallOnly(owner);
  if (owners === undefined) return within(owner, AsyncLocalStorage.snapshot());
  return owner === undefined
    ? AsyncLocalStorage.snapshot()
    : owners.run(owner, () => AsyncLocalStorage.snapshot());
};

/** Whose handler this call comes from, as far as can be told. */
export const handlerOwner = (): object | undefined => owners?.getStore() ?? ownerOfCall();
