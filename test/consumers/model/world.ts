/**
 * Shards, threads and callers around machines, and the truth about what was done: an event that was acknowledged never
 * runs again, keys go in order, nothing is lost, and nothing is confirmed that is not stored. It knows nothing of how the
 * machine works.
 */
import type { ConsumerMachine } from '../../../src/consumers/machine.js';
import type { MachineDefinition, SettlementKind } from '../../../src/consumers/machine-types.js';
import { EndpointUnderTest, type InHand, MemberUnderTest } from './endpoint.js';
import type { Planted } from './planted.js';
import { ShardUnderTest } from './shard.js';
import type { Acked, Entry, Order, Settlement, TurnOptions } from './shard-shapes.js';
import type { Setup, Step } from './steps.js';

const LEASE_MS = 12;
const BACKOFF_MS = [2, 5];
const THREADS = 2;
const MEMBERS = 2;
// Fewer than `GATE_WAIT_MS`: a shard does not rely on looking by itself.
const QUIET_ROUNDS = 200;
/** Until whatever was sent is answered. */
const ANSWER_ROUNDS = 3;
const TURN = {
  crash: 'no',
  full: 'no',
  room: Number.POSITIVE_INFINITY,
  leases: 100,
  examined: 100,
} as const;

export class World {
  readonly Machine: typeof ConsumerMachine;
  readonly planted: Planted;
  readonly faults: string[] = [];
  readonly shards: ShardUnderTest[] = [];
  /** So few that keys share them. */
  readonly gateWords = new Int32Array(new SharedArrayBuffer(12));
  now = 1000;
  readonly #setup: Setup;
  #endpoints: EndpointUnderTest[] = [];
  #gateway!: EndpointUnderTest;
  #endpointCount = 0;
  #memberCount = 0;
  #eventCount = 0;
  /** Leases of HTTP callers, who are in no process of ours. */
  #pulled: InHand[] = [];
  /** Acks that a commit has stored, by shard and lease: since the last `seek`, and before it. */
  readonly #acked = new Set<string>();
  readonly #ackedBefore = new Set<string>();
  /** Events whose acks were confirmed. */
  readonly #confirmed = new Set<string>();
  /** Events that are done in any way. */
  readonly #over: Set<number>[] = [];
  /** Those that were before a `seek`: an ack that was confirmed then may arrive after it. */
  readonly #overBefore = new Set<string>();
  /** By shard, the first lease since its last `seek`: a thread that has not heard of the seek may begin an older one. */
  readonly #soughtAt = new Map<number, number>();
  #maxAttempts: number;

  constructor(setup: Setup, Machine: typeof ConsumerMachine, planted: Planted) {
    this.#setup = setup;
    this.#maxAttempts = setup.maxAttempts;
    this.Machine = Machine;
    this.planted = planted;
    const definition = this.#definition(setup.maxAttempts, LEASE_MS);
    for (let id = 0; id < setup.shards; id++) {
      this.#over.push(new Set());
      this.shards.push(new ShardUnderTest(id, definition, this));
    }
    this.#startProcess();
  }

  step(step: Step): void {
    if (step.do === 'turn') this.#turn(step.shard, step.events, step);
    else if (step.do === 'restart') this.#restart();
    else if (step.do === 'pass') this.now += step.ms;
    else if (step.do === 'pause') this.#order({ is: 'pause', isPaused: step.isPaused });
    else if (step.do === 'redefine') {
      this.#maxAttempts = Math.max(this.#maxAttempts, step.maxAttempts);
      const definition = this.#definition(step.maxAttempts, step.leaseMs);
      this.#order({ is: 'redefine', definition });
    } else if (step.do === 'pull') {
      const [member] = this.#gateway.members;
      this.#gateway.grant(member!, this.#shard(step.shard).id, step.count);
    } else if (step.do === 'settle pulled') this.#settlePulled(step);
    else if (step.do === 'ack with events') this.#ackWithEvents(step);
    else if ('endpoint' in step) this.#endpointStep(step);
    else this.#operate(step);
  }

  /** No further faults: everything has to end. */
  end(): void {
    this.#order({ is: 'pause', isPaused: false });
    for (let round = 0; round < QUIET_ROUNDS; round++) {
      if (round > ANSWER_ROUNDS && this.#isQuiet()) break;
      this.now++;
      for (const endpoint of [...this.#endpoints, this.#gateway]) this.#serve(endpoint);
      while (this.#pulled.some(({ isEnding }) => !isEnding)) {
        this.#settlePulled({ pick: 0, kind: 'ack', delayMs: -1 });
      }
      for (const shard of this.shards) this.#turn(shard.id, 0, TURN);
    }
    for (const shard of this.shards) this.#judge(shard);
  }

  // What shards and endpoints say.

  fault(text: string): void {
    this.faults.push(text);
  }

  isAlive(endpoint: number): boolean {
    return this.#all().some(({ id, isAlive }) => id === endpoint && isAlive);
  }

  endpointOf(member: number): number | undefined {
    return this.#all().find(({ members }) => members.some(({ id }) => id === member))?.id;
  }

  over(shard: ShardUnderTest, sequence: number): void {
    this.#over[shard.id]!.add(sequence);
  }

  committed(shard: ShardUnderTest, acks: readonly Acked[]): void {
    for (const { sequence, lease } of acks) {
      this.#acked.add(`${shard.id}:${lease}`);
      this.over(shard, sequence);
    }
  }

  sought(shard: ShardUnderTest, position: number, acks: readonly Acked[]): void {
    this.#soughtAt.set(shard.id, shard.machine.leaseNext);
    const over = this.#over[shard.id]!;
    for (const at of over) this.#overBefore.add(`${shard.id}:${at}`);
    for (let at = 1; at <= shard.disk.log.length; at++) {
      if (at <= position || shard.disk.log[at - 1]!.isPruned) over.add(at);
      else over.delete(at);
    }
    for (const { lease } of acks) this.#ackedBefore.add(`${shard.id}:${lease}`);
    const isOfShard = (text: string) => text.startsWith(`${shard.id}:`);
    for (const ack of [...this.#acked].filter(isOfShard)) {
      this.#acked.delete(ack);
      this.#ackedBefore.add(ack);
    }
    for (const event of [...this.#confirmed].filter(isOfShard)) this.#confirmed.delete(event);
  }

  replaced(shard: ShardUnderTest): void {
    for (const endpoint of this.#all()) {
      if (endpoint.isAlive) endpoint.relink(shard);
      else if ((shard.control.get(endpoint.id)?.length ?? 0) > 0) shard.hasDeparted = true;
    }
    for (const id of [...shard.control.keys()]) if (!this.isAlive(id)) shard.control.delete(id);
  }

  received(shard: ShardUnderTest, lease: number): void {
    if (lease >= shard.leaseNextStored) this.fault(`lease ${lease} was told and not stored`);
  }

  began(delivery: InHand): void {
    const { shard: id, sequence, lease, attempt, deadline } = delivery;
    const shard = this.shards[id]!;
    const isOfRound = lease >= (this.#soughtAt.get(id) ?? 0);
    if (isOfRound && this.#confirmed.has(`${id}:${sequence}`)) {
      this.fault(`${sequence} was done, and ran again`);
    }
    if (deadline <= this.now) this.fault(`${sequence} was begun after its lease`);
    if (attempt < 1 || attempt > this.#maxAttempts) this.fault(`attempt ${attempt} of ${sequence}`);
    this.#judgeOrder(shard, sequence, lease);
  }

  /** A caller begins what it is handed at once: nobody tells it later that its lease is lost. */
  pulled(delivery: InHand): void {
    if (this.now < delivery.deadline) this.began(delivery);
    this.#pulled.push(delivery);
  }

  confirmed(
    shard: ShardUnderTest,
    settlement: Acked & Pick<Settlement, 'kind'>,
    isDone: boolean,
  ): void {
    const { kind, lease, sequence } = settlement;
    if (kind !== 'ack') return;
    const ack = `${shard.id}:${lease}`;
    if (!isDone) {
      if (this.#acked.has(ack)) this.fault(`the ack of ${sequence} was stored, and refused`);
      return;
    }
    if (this.#acked.has(ack)) this.#confirmed.add(`${shard.id}:${sequence}`);
    else if (this.#overBefore.has(`${shard.id}:${sequence}`)) return;
    else if (!this.#ackedBefore.has(ack) && !this.#over[shard.id]!.has(sequence)) {
      this.fault(`the ack of ${sequence} was confirmed and not stored`);
    }
  }

  // Steps.

  #turn(shard: number, events: number, options: Omit<TurnOptions, 'publish'>): void {
    const publish = Array.from({ length: events }, () => this.#newEntry());
    this.#shard(shard).turn({ ...options, publish });
  }

  #endpointStep(step: Exclude<Extract<Step, { endpoint: number }>, { isPulled: boolean }>): void {
    const endpoint = this.#endpoints[step.endpoint % this.#endpoints.length]!;
    if (endpoint.members.length === 0) this.#addMember(endpoint);
    if (step.do === 'receive') {
      endpoint.receive(this.#shard(step.shard), step.count);
      this.#gateway.receive(this.#shard(step.shard), step.count);
    } else if (step.do === 'end thread') this.#endThread(endpoint);
    else if (step.do === 'settle') this.#settle(endpoint, step);
    else {
      const member = endpoint.members[step.member % endpoint.members.length]!;
      if (step.do === 'begin') endpoint.begin(member);
      else if (step.do === 'resize') endpoint.resize(member, step.concurrency);
      else if (step.do === 'grant') endpoint.grant(member, this.#shard(step.shard).id, step.count);
      else if (step.do === 'recall') {
        endpoint.recall(member, this.#shard(step.shard).id, step.count);
      } else {
        endpoint.leave(member);
        if (endpoint.members.length === 0) this.#addMember(endpoint);
      }
    }
  }

  #settle(endpoint: EndpointUnderTest, { pick, kind, delayMs }: Extract<Step, { do: 'settle' }>) {
    const running = endpoint.members.flatMap((member) =>
      member.hand.filter(isFree).map((delivery) => ({ member, delivery })),
    );
    const picked = running[pick % Math.max(1, running.length)];
    if (picked === undefined) return;
    endpoint.settle(picked.member, picked.delivery, kind, delayMs);
    if (picked.member.isLeaving) endpoint.leave(picked.member);
    if (endpoint.members.length === 0) this.#addMember(endpoint);
  }

  #settlePulled({ pick, kind, delayMs }: { pick: number; kind: SettlementKind; delayMs: number }) {
    const free = this.#pulled.filter(({ isEnding }) => !isEnding);
    const delivery = free[pick % Math.max(1, free.length)];
    if (delivery === undefined) return;
    this.#pulled.splice(this.#pulled.indexOf(delivery), 1);
    const { shard, sequence, lease } = delivery;
    const member = this.#gateway.members[0]!.id;
    this.#gateway.sendSettlement(shard, member, sequence, lease, kind, delayMs);
    if (kind === 'working') this.#pulled.push(delivery);
  }

  #ackWithEvents(step: Extract<Step, { do: 'ack with events' }>): void {
    const { pick, isPulled } = step;
    if (isPulled) {
      const delivery = this.#pulled[pick % Math.max(1, this.#pulled.length)];
      if (delivery !== undefined) this.#gateway.ackWithEvents(this.#gateway.members[0]!, delivery);
      return;
    }
    const endpoint = this.#endpoints[step.endpoint % this.#endpoints.length]!;
    const running = endpoint.members.flatMap((member) =>
      member.hand.filter(isFree).map((delivery) => ({ member, delivery })),
    );
    const picked = running[pick % Math.max(1, running.length)];
    if (picked !== undefined) endpoint.ackWithEvents(picked.member, picked.delivery);
  }

  /** An HTTP caller's ack with events has its answer. */
  answered(delivery: InHand, isOver: boolean): void {
    const at = this.#pulled.indexOf(delivery);
    if (isOver && at >= 0) this.#pulled.splice(at, 1);
  }

  #operate(step: Extract<Step, { pick: number; shard: number; do: Order['is'] }>): void {
    const shard = this.#shard(step.shard);
    const { length } = shard.disk.log;
    const sequence = 1 + (step.pick % Math.max(1, length));
    if (step.do === 'seek') {
      const positions = Array<number>(this.#setup.lanes).fill(sequence - 1);
      shard.orders.push({ is: 'seek', positions });
      this.#turn(shard.id, 0, TURN);
    } else if (length === 0) return;
    else if (step.do === 'prune') {
      shard.orders.push({ is: 'prune', from: sequence, through: sequence + (step.pick % 3) });
    } else if (step.do === 'redrive') {
      const dead = [...shard.disk.dead.keys()];
      const picked = dead[step.pick % Math.max(1, dead.length)];
      if (picked !== undefined) shard.orders.push({ is: 'redrive', sequence: picked });
    } else shard.orders.push({ is: step.do, sequence });
  }

  #order(order: Order): void {
    for (const shard of this.shards) shard.orders.push(order);
  }

  #restart(): void {
    for (const endpoint of this.#all()) endpoint.isAlive = false;
    // A caller whose connection broke with its ack under way knows no more of it.
    this.#pulled = this.#pulled.filter(({ isEnding }) => !isEnding);
    this.gateWords.fill(0);
    for (const shard of this.shards) {
      shard.control.clear();
      shard.delivery.clear();
      shard.groups.rings.clear();
      shard.boot('opened');
    }
    this.#startProcess();
  }

  #startProcess(): void {
    this.#endpoints = [];
    this.#gateway = this.#newEndpoint();
    this.#gateway.join(new MemberUnderTest(++this.#memberCount, 1, 0, this.shards.length, true));
    for (let thread = 0; thread < THREADS; thread++) this.#startThread();
  }

  #startThread(): void {
    const endpoint = this.#newEndpoint();
    for (let member = 0; member < MEMBERS; member++) this.#addMember(endpoint);
    this.#endpoints.push(endpoint);
  }

  #newEndpoint(): EndpointUnderTest {
    return new EndpointUnderTest(++this.#endpointCount, this);
  }

  #addMember(endpoint: EndpointUnderTest): void {
    const { concurrency, ahead } = this.#setup;
    const window = concurrency + ahead;
    const id = ++this.#memberCount;
    endpoint.join(new MemberUnderTest(id, concurrency, window, this.shards.length, false));
  }

  #endThread(endpoint: EndpointUnderTest): void {
    endpoint.isAlive = false;
    this.#endpoints = this.#endpoints.filter((one) => one !== endpoint);
    for (const shard of this.shards) {
      shard.delivery.delete(endpoint.id);
      for (const { id } of endpoint.members) {
        shard.control.get(endpoint.id)!.push({ is: 'leave', member: id, end: 'died' });
      }
      if (shard.claims === 'open') shard.hasDeparted = true;
    }
    this.#dying.push(endpoint);
    this.#startThread();
  }

  /** Ended threads, whose last records shards may still take. */
  readonly #dying: EndpointUnderTest[] = [];

  #all(): EndpointUnderTest[] {
    return [...this.#dying, ...this.#endpoints, this.#gateway].filter(Boolean);
  }

  // The end.

  #serve(endpoint: EndpointUnderTest): void {
    for (const shard of this.shards) endpoint.receive(shard, Number.POSITIVE_INFINITY);
    for (const member of [...endpoint.members]) {
      for (let count = 0; count < member.concurrency; count++) endpoint.begin(member);
      for (const delivery of member.hand.filter(isFree)) {
        endpoint.settle(member, delivery, 'ack', -1);
      }
      if (!member.isDetached) this.#supply(endpoint, member);
    }
  }

  /** Tokens go to the shards that asked for them, and come back from those that have nothing. */
  #supply(endpoint: EndpointUnderTest, member: MemberUnderTest): void {
    const asking = member.ready.flatMap((isReady, shard) => (isReady ? [shard] : []));
    for (const shard of asking) endpoint.grant(member, shard, 1);
    if (asking.length === 0 || member.free > 0) return;
    for (const shard of this.shards) {
      if (!member.ready[shard.id]) endpoint.recall(member, shard.id, 1);
    }
  }

  #isQuiet(): boolean {
    return this.shards.every(
      ({ machine, disk, orders }) =>
        orders.length === 0 &&
        machine.counts.open === 0 &&
        disk.rows.every((_, lane) => machine.lane(lane).position === disk.log.length),
    );
  }

  #judge(shard: ShardUnderTest): void {
    const { machine, disk, reference } = shard;
    if (reference.lost.length > 0) this.fault(`not told as lost: ${reference.lost}`);
    if (machine.counts.open > 0) {
      this.fault(`stuck: ${JSON.stringify(machine.list(0, 3))}`);
    }
    for (let at = 1; at <= disk.log.length; at++) {
      const { lane, isPruned } = disk.log[at - 1]!;
      const isOver = this.#over[shard.id]!.has(at) || disk.dead.has(at);
      if (lane < this.#setup.lanes && !isPruned && !isOver) this.fault(`${at} was lost`);
    }
    for (const sequence of disk.dead.keys()) {
      if (this.#confirmed.has(`${shard.id}:${sequence}`)) {
        this.fault(`${sequence} is dead, and was done`);
      }
    }
    for (const endpoint of this.#endpoints) {
      for (const fault of endpoint.members.flatMap((one) => endpoint.tokenFaults(shard, one))) {
        this.fault(fault);
      }
    }
  }

  /** By what is stored: the event's key has no other in hand, and no earlier one that is open. */
  #judgeOrder(shard: ShardUnderTest, sequence: number, lease: number): void {
    const { log, ref } = shard.disk;
    const { key } = log[sequence - 1]!;
    const stored = ref.events.find((event) => event.sequence === sequence);
    if (!shard.definition.hasKeys || key === undefined || stored?.lease?.number !== lease) return;
    for (const other of ref.events) {
      if (other === stored || log[other.sequence - 1]!.key !== key) continue;
      if (other.lease !== undefined) this.fault(`${other.sequence} and ${sequence} at once`);
      const isEarlier = other.sequence < sequence && !other.isRedriven && !stored.isRedriven;
      if (isEarlier) this.fault(`${sequence} began before ${other.sequence} was done`);
    }
  }

  // Makings.

  #definition(maxAttempts: number, leaseMs: number): MachineDefinition {
    const { keys, lanes, maxAhead } = this.#setup;
    const backoffMs = BACKOFF_MS;
    return { hasKeys: keys > 0, lanes, leaseMs, maxAttempts, backoffMs, maxAhead };
  }

  #newEntry(): Entry {
    const random = Math.imul(++this.#eventCount, 0x9e3779b1) >>> 8;
    const { keys, lanes } = this.#setup;
    const hasKey = keys > 0 && random % 7 !== 0;
    // One lane more than there are: events of others.
    const lane = random % 5 === 0 ? lanes : random % lanes;
    return { lane, key: hasKey ? `key-${random % keys}` : undefined, isPruned: false };
  }

  #shard(pick: number): ShardUnderTest {
    return this.shards[pick % this.shards.length]!;
  }
}

/** A handler has begun it, and no ack of it is under way. */
function isFree({ hasBegun, isEnding }: InHand): boolean {
  return hasBegun && !isEnding;
}
