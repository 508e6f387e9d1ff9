import { BusError } from '../protocol/errors.js';

/** Refuses what the shard's log has no capability for. */
export function missing(what: string): never {
  throw new BusError('OPTION_INVALID', `the store of this bus ${what}`);
}
