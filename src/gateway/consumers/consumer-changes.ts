import type { ClientConsumers } from '../../endpoint/internals.js';
import { BusError } from '../../protocol/errors.js';
import { CONSUMER_CHANGE_TRIES_MAX } from '../../protocol/limits/consumers.js';
import { quote } from '../../protocol/quote.js';
import type { SubscribeFrom } from '../../protocol/subscribe-from.js';

/** A change of a consumer. The bus checks what it holds. */
export type Alteration =
  | { readonly kind: 'pause' | 'resume' | 'delete' }
  | { readonly kind: 'seek'; readonly from: unknown }
  | { readonly kind: 'skip'; readonly shard: unknown; readonly sequence: unknown };

/**
 * Checks grants by what there is, and acts on just that: where another client was faster, the bus refuses the act with
 * `CONFLICT`, and all is checked anew.
 *
 * @throws BusError `CONSUMER_BUSY` where others are faster every time
 */
export async function unlessChanged<T>(name: string, act: () => Promise<T>): Promise<T> {
  for (let tries = 0; tries < CONSUMER_CHANGE_TRIES_MAX; tries++) {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof BusError && error.code === 'CONFLICT')) throw error;
    }
  }
  throw new BusError('CONSUMER_BUSY', `others change consumer ${quote(name)} all the time`, {
    details: { consumer: name },
  });
}

/** Makes the change. @throws BusError as the method of `Consumer` */
export function altered(
  control: ReturnType<ClientConsumers['control']>,
  change: Alteration,
): Promise<void> {
  switch (change.kind) {
    case 'seek':
      return control.seek(change.from as SubscribeFrom);
    case 'skip':
      return control.skip(change as { readonly shard: number; readonly sequence: number });
    default:
      return control[change.kind]();
  }
}
