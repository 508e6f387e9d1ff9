/** What a desk's log asks of the thread that talks to the broker for it, and waits for. */
import type { ConsumerBrokerAddress, HistoryAddress } from '../log-store.js';
import type { Page, PageRequest } from '../page.js';

export interface DeskCalls {
  /** See `ConsumerJournal`. */
  take(): readonly Uint8Array[];
  append(entry: Uint8Array): void;
  compact(snapshot: readonly Uint8Array[]): void;
  /** See `StoreHistory.page`. */
  page(request: PageRequest): Page;
}

export type DeskRequest =
  | { readonly call: 'take' }
  | { readonly call: 'append'; readonly entry: Uint8Array }
  | { readonly call: 'compact'; readonly snapshot: readonly Uint8Array[] }
  | { readonly call: 'page'; readonly request: PageRequest };

/** The options of a desk's log: `ShardLogOpening.options`. */
export interface DeskLogOptions {
  readonly broker: ConsumerBrokerAddress;
  readonly history: HistoryAddress;
  /** The control memory of the shard, which has the head. */
  readonly shardControl: SharedArrayBuffer;
  /** The control memory of the desk's own thread. */
  readonly control: SharedArrayBuffer;
}
