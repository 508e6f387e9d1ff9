import { BusError } from '../../../protocol/errors.js';

export function damagedEvent(file: string, sequence: number, more = ''): BusError {
  const reason = `event ${sequence} is damaged${more}`;
  return new BusError('STORE_CORRUPT', `${file}: ${reason}`, {
    details: { file, sequence, reason },
  });
}
