import { BusError } from '../protocol/errors.js';

/** Refuses a request that needs a capability which the shard's log lacks. @throws BusError `OPTION_INVALID` */
export function missing(what: string): never {
  throw new BusError('OPTION_INVALID', `the store of this bus ${what}`);
}
