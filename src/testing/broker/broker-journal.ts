/** The journal of a shard's consumers on a broker: the `ConsumerJournalModule` of `BrokerStore`. */
import { ulid } from 'ulid';
import { BusError } from '../../protocol/errors.js';
import { OwnerChanged } from '../../store/desk/consumer-journal.js';
import type { OpenJournal } from '../../store/desk/desk-calls.js';
import { BrokerLink } from './broker-link.js';
import type { BrokerAddress, BrokerCall } from './messages.js';

export function openJournal(options: unknown, shard: number): OpenJournal {
  const link = new BrokerLink(options as BrokerAddress);
  const owner = ulid();
  const change = async (call: BrokerCall): Promise<void> => {
    try {
      await link.call(shard, call);
    } catch (error) {
      if (error instanceof BusError && error.code === 'CONFLICT') throw new OwnerChanged();
      throw error;
    }
  };
  return {
    take: () => link.call<readonly Uint8Array[]>(shard, { call: 'takeJournal', owner }),
    append: (entry) => change({ call: 'appendJournal', owner, entry }),
    compact: (snapshot) => change({ call: 'compactJournal', owner, snapshot: [...snapshot] }),
    close: () => link.close(),
  };
}
