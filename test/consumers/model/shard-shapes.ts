/** What goes in and out of the model's shards. */
import type { ConsumerMachine } from '../../../src/consumers/machine.js';
import type {
  HeldLease,
  MachineDefinition,
  MemberEnd,
  RestoredLane,
  SettlementKind,
  Verdict,
} from '../../../src/consumers/machine-types.js';
import type { GroupAck, GroupOutcome } from './group-acks.js';
import type { Planted } from './planted.js';
import type { RefDead, RefStored } from './reference-shapes.js';
import type { ShardUnderTest } from './shard.js';

export interface Entry {
  /** No lane has it if this is the number of lanes. */
  readonly lane: number;
  readonly key: string | undefined;
  isPruned: boolean;
}

/** A record of the control ring. */
export type Control =
  | { is: 'join'; member: number; concurrency: number; isDetached: boolean }
  | { is: 'claim'; member: number; leases: readonly HeldLease[] }
  | { is: 'tokens'; member: number; count: number }
  | { is: 'recall'; member: number; count: number }
  | { is: 'leave'; member: number; end: MemberEnd }
  | Settlement;

export interface Settlement {
  readonly is: 'settle';
  readonly number: number;
  readonly member: number;
  readonly sequence: number;
  readonly lease: number;
  readonly kind: SettlementKind;
  readonly delayMs: number;
}

export type Acked = Pick<Settlement, 'sequence' | 'lease'>;

/** A record of the delivery ring. */
export type Told =
  | {
      is: 'lease';
      member: number;
      sequence: number;
      lease: number;
      attempt: number;
      deadline: number;
      isAlone: boolean;
    }
  | { is: 'lost'; member: number; sequence: number; lease: number }
  | { is: 'supply'; member: number; isReady: boolean }
  | { is: 'returned'; member: number; count: number }
  | { is: 'kept'; member: number; sequence: number; lease: number; isKept: boolean }
  | { is: 'group'; ack: GroupAck; outcome: GroupOutcome }
  | { is: 'settled'; settlement: Settlement; verdict: Verdict };

/** What an operator asks. */
export type Order =
  | { is: 'pause'; isPaused: boolean }
  | { is: 'redefine'; definition: MachineDefinition }
  | { is: 'seek'; positions: readonly number[] }
  | { is: 'prune'; from: number; through: number }
  | { is: 'skip'; sequence: number }
  | { is: 'redrive'; sequence: number }
  | { is: 'unmatch'; sequence: number };

export interface TurnOptions {
  readonly publish: readonly Entry[];
  readonly crash: 'no' | 'before' | 'between';
  readonly full: 'no' | 'batch' | 'row';
  /** Records that the delivery rings take. */
  readonly room: number;
  readonly leases: number;
  /** How many events are examined. */
  readonly examined: number;
}

/** What the shard needs of its world. */
export interface ShardWorld {
  readonly now: number;
  readonly planted: Planted;
  readonly Machine: typeof ConsumerMachine;
  fault(text: string): void;
  /** Where the shards agree on keys. */
  readonly gateWords: Int32Array;
  readonly shards: readonly ShardUnderTest[];
  isAlive(endpoint: number): boolean;
  endpointOf(member: number): number | undefined;
  /** Everything that a commit makes true. */
  committed(shard: ShardUnderTest, acks: readonly Acked[]): void;
  /** The consumer was moved; these acks were decided before, and come to nothing. */
  sought(shard: ShardUnderTest, position: number, acks: readonly Acked[]): void;
  /** The thread was replaced. */
  replaced(shard: ShardUnderTest): void;
  over(shard: ShardUnderTest, sequence: number): void;
}

export interface Disk {
  log: Entry[];
  rows: (RestoredLane & { at: number })[];
  ref: RefStored;
  settled: Map<number, number>;
  dead: Map<number, RefDead>;
  /** The groups whose events it has. */
  groups: Set<string>;
}

export function emptyDisk(lanes: number): Disk {
  const positions = Array<number>(lanes).fill(0);
  const counts = { acked: 0, redelivered: 0, lost: 0 };
  const open = new Uint8Array(0);
  return {
    log: [],
    rows: positions.map((position) => ({
      position,
      leaseNext: 1,
      ...counts,
      ageMs: 0,
      open,
      at: 0,
    })),
    ref: { events: [], positions, leaseNext: 1, counts },
    settled: new Map(),
    dead: new Map(),
    groups: new Set(),
  };
}
