/** Messages between a broker and the threads of all nodes, shards and readers, over one `BroadcastChannel`. */
import type { ErrorData } from '../../protocol/errors.js';
import type { SharedTextName, VersionedText } from '../../store/consumer-broker.js';
import type {
  AppendedEntries,
  NewEntry,
  StreamEntry,
  StreamState,
} from '../../store/shared/log-stream.js';
import type { StreamBounds } from '../../store/shared/stream-history.js';

export type BrokerCall =
  | { readonly call: 'join' }
  | { readonly call: 'bounds' }
  | { readonly call: 'append'; readonly events: readonly NewEntry[] }
  | {
      readonly call: 'fetch';
      readonly after: number;
      readonly until: number;
      readonly limit?: number | undefined;
    }
  /** The journal of consumers, as whoever took it last may change it. */
  | { readonly call: 'takeJournal'; readonly owner: string }
  | { readonly call: 'appendJournal'; readonly owner: string; readonly entry: Uint8Array }
  | {
      readonly call: 'compactJournal';
      readonly owner: string;
      readonly snapshot: readonly Uint8Array[];
    }
  /** The texts that nodes share. */
  | { readonly call: 'readText'; readonly name: SharedTextName }
  | {
      readonly call: 'replaceText';
      readonly name: SharedTextName;
      readonly version: number;
      readonly text: string;
    };

export interface BrokerRequest {
  readonly shard: number;
  /** The id of the store that the asking thread belongs to; the broker may hold back its appends. */
  readonly store: string;
  /** The id of the link that asks. */
  readonly link: string;
  readonly id: number;
  readonly call: BrokerCall;
}

export interface BrokerAnswer {
  readonly link: string;
  readonly id: number;
  readonly value?:
    | StreamState
    | StreamBounds
    | AppendedEntries
    | readonly StreamEntry[]
    | readonly Uint8Array[]
    | VersionedText
    | { readonly replaced: number | undefined };
  readonly error?: ErrorData;
}

/** Sent to all nodes, before the answer to the node that appended. */
export interface BrokerNews {
  readonly shard: number;
  readonly entries: readonly StreamEntry[];
}

/** The address by which a thread finds its broker. */
export interface BrokerAddress {
  readonly channel: string;
  readonly store: string;
}
