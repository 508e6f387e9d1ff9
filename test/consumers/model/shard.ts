/**
 * A shard's thread around one machine, as a desk will be: it takes the records of its endpoints, decides, commits and
 * tells. Beside the machine it feeds the reference, and compares both after each decision.
 */
import type { ConsumerMachine } from '../../../src/consumers/machine.js';
import type { Before, Examined, MachineDefinition } from '../../../src/consumers/machine-types.js';
import { GATE_WAIT_MS } from '../../../src/protocol/limits/consumers.js';
import { KeyGates } from '../../../src/shards/consumers/gates/key-gates.js';
import { type GroupHost, ShardGroups } from './group-acks.js';
import { Reference } from './reference.js';
import { isAsRead, type RefDead } from './reference-shapes.js';
import { countsOf, isSame, listOf, textOf } from './same.js';
import {
  type Acked,
  type Control,
  type Disk,
  type Entry,
  emptyDisk,
  type Order,
  type Settlement,
  type ShardWorld,
  type Told,
  type TurnOptions,
} from './shard-shapes.js';
import { carefulEvent, freeMembers, idle } from './waiting.js';

export class ShardUnderTest {
  readonly id: number;
  readonly disk: Disk;
  readonly control: Map<number, Control[]> = new Map();
  readonly delivery: Map<number, Told[]> = new Map();
  readonly orders: Order[] = [];
  definition: MachineDefinition;
  isPaused = false;
  machine!: ConsumerMachine;
  reference!: Reference;
  /** Endpoints have claimed their leases. */
  claims: 'open' | 'ended' = 'ended';
  hasDeparted = false;
  readonly #world: ShardWorld;
  #settled = new Map<number, number>();
  #dead = new Map<number, RefDead>();
  #answers: [endpoint: number, told: Told][] = [];
  #acks: Acked[] = [];
  readonly groups = new ShardGroups();
  #machineDead: RefDead[] = [];
  #machineLost: string[] = [];
  #unmatched = new Set<number>();
  #examinedLeft = 0;
  #gates!: KeyGates;
  #isRestored = false;

  constructor(id: number, definition: MachineDefinition, world: ShardWorld) {
    this.id = id;
    this.#world = world;
    this.definition = definition;
    this.disk = emptyDisk(definition.lanes);
    this.boot('opened');
  }

  get leaseNextStored(): number {
    return Math.max(...this.disk.rows.map(({ leaseNext }) => leaseNext));
  }

  boot(before: Before): void {
    const { now, Machine } = this.#world;
    const { disk, definition } = this;
    if (before === 'opened') disk.settled.clear();
    this.#settled = new Map(this.#world.planted.has('settled forgotten') ? [] : disk.settled);
    this.#dead = new Map(disk.dead);
    this.#answers = [];
    this.#acks = [];
    this.groups.forget();
    this.#machineDead = [];
    this.#machineLost = [];
    const rows = disk.rows.map((row) => ({ ...row, ageMs: now - row.at }));
    this.reference = Reference.restore(definition, disk.ref, before === 'opened', now);
    const decisions = {
      examine: (lane: number, sequence: number, key: string | undefined) =>
        this.#examine(lane, sequence, key),
      dead: (_lane: number, sequence: number, attempts: number, cause: RefDead['cause']) => {
        this.#machineDead.push({ sequence, attempts, cause });
      },
      gone: () => {},
      expired: () => {},
      keyKept: (key: string) => this.#gates.keep(this.#wordOf(key)),
      keyFreed: (key: string) => this.#gates.free(this.#wordOf(key)),
    };
    this.#gates = new KeyGates(this.#world.gateWords, this.id, () => {});
    this.#isRestored = false;
    if (this.#world.planted.has('a successor forgets keys')) {
      this.#gates.restored();
      this.#gates.stored();
    }
    this.machine = new Machine(definition, decisions, rows, before, now);
    this.pause(this.isPaused);
    this.claims = before === 'replaced' ? 'open' : 'ended';
    if (before === 'replaced') this.#world.replaced(this);
  }

  pause(isPaused: boolean): void {
    this.machine.pause(isPaused);
    this.reference.isPaused = isPaused;
  }

  turn(options: TurnOptions): void {
    const { log } = this.disk;
    const head = log.length;
    this.#decide(options);
    if (options.crash === 'before') {
      if (this.#world.planted.has('told before the commit')) this.#tell(options.room);
      if (this.#world.planted.has('confirmed before the commit')) this.#answer();
      log.length = head;
      this.boot('replaced');
      return;
    }
    if (options.full !== 'no') {
      log.length = head;
      this.groups.refused(this.#groupHost);
      this.machine.undoAfter(head);
      this.reference.undoAfter(head);
      this.#compare('after a refused batch');
      if (options.full === 'row') return;
    }
    this.#commit();
    if (options.crash === 'between') {
      this.boot('replaced');
      return;
    }
    this.#answer();
    this.#tell(options.room);
    this.groups.end(this.#groupHost);
    this.#compare('after the acks with events');
  }

  get #groupHost(): GroupHost {
    const { machine, reference, disk } = this;
    return {
      machine,
      reference,
      stored: disk.groups,
      now: this.#world.now,
      fault: (text) => this.#fault(text),
      answer: (endpoint, ack, outcome) => this.#deliver(endpoint, { is: 'group', ack, outcome }),
    };
  }

  #decide({ publish, leases, examined }: TurnOptions): void {
    const { now } = this.#world;
    const { machine, reference } = this;
    this.#takeHanded(now);
    for (const order of this.orders.splice(0)) this.#order(order);
    for (const [endpoint, records] of this.control) {
      for (const record of records.splice(0)) this.#take(endpoint, record);
    }
    this.groups.take(this.#groupHost);
    this.#endClaims();
    this.#publish(publish);
    this.#readOn();
    if (this.#world.planted.has('a key is free before the commit')) this.#gates.stored();
    this.#gates.forget(now);
    if (!this.#isRestored && machine.nextUnread(0) === 0) {
      this.#isRestored = true;
      this.#gates.restored();
    }
    machine.expire(now);
    reference.expire(now);
    this.#compare('after the decisions');
    const first = machine.leaseNext;
    const free = freeMembers(reference);
    this.#examinedLeft = examined;
    machine.lease(leases, now);
    const given = machine.list(0, Number.POSITIVE_INFINITY).filter(({ lease }) => lease >= first);
    for (const { sequence, member, lease } of given.sort((a, b) => a.lease - b.lease)) {
      const wrong = reference.leased(sequence, member!, lease, now);
      if (wrong !== undefined) this.#fault(`${sequence} was leased, but ${wrong}`);
    }
    // Events that the log does not have, or that do not match any more, use up the limit too.
    const left = leases > 50 && examined > 50 ? idle(reference) : undefined;
    if (left !== undefined) this.#fault(`ready and not leased: ${left}`);
    const careful = this.definition.lanes === 1 ? carefulEvent(reference) : undefined;
    const busy = new Set(given.filter(({ losses }) => losses === 0).map(({ member }) => member));
    if (careful !== undefined && free.length > 0 && free.every(({ id }) => busy.has(id))) {
      this.#fault(`nobody was kept free for ${careful}`);
    }
    this.#compare('after leasing');
    this.#judgeKeys();
  }

  /** It is woken for keys that other shards have handed to it. */
  #takeHanded(now: number): void {
    if (this.#world.planted.has('a key that was handed is not looked for')) return;
    const handed = this.#gates.handed(now);
    for (const { sequence, key, asideUntil } of this.reference.events) {
      if (key === undefined || !handed.includes(this.#wordOf(key))) continue;
      this.machine.retry(sequence);
      if (asideUntil > 0) this.reference.aside(sequence, 0);
    }
  }

  /** No key is out in two shards. An HTTP caller's lease may outlive the process, which then knows nothing of its key. */
  #judgeKeys(): void {
    const out = new Set(this.keysOut);
    for (const other of this.#world.shards) {
      if (other === this) continue;
      for (const key of other.keysOut) {
        if (out.has(key)) this.#fault(`${key} is out in shard ${other.id} too`);
      }
    }
  }

  /** The keys that its members have out, as far as the thread knows. */
  get keysOut(): string[] {
    if (!this.definition.hasKeys) return [];
    const leased = this.reference.events.filter(
      ({ lease }) => lease?.isDetached === false && lease.isClaimed,
    );
    return leased.flatMap(({ sequence }) => this.disk.log[sequence - 1]?.key ?? []);
  }

  #order(order: Order): void {
    const { machine, reference, disk } = this;
    if (order.is === 'pause') {
      this.isPaused = order.isPaused;
      this.pause(order.isPaused);
    } else if (order.is === 'redefine') {
      this.definition = order.definition;
      machine.redefine(order.definition);
      reference.definition = order.definition;
    } else if (order.is === 'seek') {
      machine.seek(order.positions);
      reference.seek(order.positions);
      this.#world.sought(this, order.positions[0]!, this.#acks.splice(0));
    } else if (order.is === 'prune') {
      const through = Math.min(order.through, disk.log.length);
      for (let at = order.from; at <= through; at++) disk.log[at - 1]!.isPruned = true;
      machine.pruned(order.from, through);
      reference.pruned(order.from, through);
      for (let at = order.from; at <= through; at++) this.#world.over(this, at);
    } else if (order.is === 'skip') {
      const isFound = machine.skip(order.sequence);
      if (isFound !== reference.skip(order.sequence)) this.#fault('skip disagrees');
      if (isFound) this.#done(order.sequence);
    } else if (order.is === 'redrive') this.#redrive(order.sequence);
    else this.#unmatched.add(order.sequence);
  }

  #redrive(sequence: number): void {
    if (!this.#dead.has(sequence)) return;
    const { lane, key } = this.disk.log[sequence - 1]!;
    const result = this.machine.redrive(lane, sequence, key);
    if (result !== this.reference.redrive(lane, sequence, key)) this.#fault('redrive disagrees');
    if (result === 'redriven') this.#dead.delete(sequence);
  }

  #take(endpoint: number, record: Control): void {
    const { now } = this.#world;
    const { machine, reference } = this;
    if (record.is === 'settle') this.#settle(endpoint, record);
    else if (record.is === 'join') {
      machine.join(record.member, record.concurrency, record.isDetached);
      reference.join(record.member, record.concurrency, record.isDetached);
    } else if (record.is === 'claim') {
      const { member, leases } = record;
      const kept = new Set(machine.claim(member, leases));
      const expected = new Set(reference.claim(member, leases));
      for (const held of leases) {
        const isKept = kept.has(held);
        const [sequence, lease] = held;
        if (isKept !== expected.has(held)) this.#fault('claim disagrees');
        this.#answers.push([endpoint, { is: 'kept', member, sequence, lease, isKept }]);
      }
    } else if (record.is === 'tokens') {
      machine.tokens(record.member, record.count);
      reference.tokens(record.member, record.count);
    } else if (record.is === 'recall') {
      const count = machine.recall(record.member, record.count);
      reference.tokens(record.member, -count);
      this.#answers.push([endpoint, { is: 'returned', member: record.member, count }]);
    } else {
      machine.leave(record.member, record.end, now);
      reference.leave(record.member, record.end, now);
    }
  }

  #settle(endpoint: number, settlement: Settlement): void {
    const { number, sequence, lease, kind, delayMs } = settlement;
    const { now } = this.#world;
    if (number <= (this.#settled.get(endpoint) ?? 0)) {
      const { lane } = this.disk.log[sequence - 1]!;
      const verdict = this.machine.settleAgain(kind, lane, sequence, this.#dead.has(sequence));
      this.#answers.push([endpoint, { is: 'settled', settlement, verdict }]);
      return;
    }
    this.#settled.set(endpoint, number);
    const verdict = this.machine.settle(sequence, lease, kind, now, delayMs);
    const expected = this.reference.settle(sequence, lease, kind, now, delayMs);
    if (verdict !== expected) this.#fault(`a settlement of ${sequence} is ${verdict}`);
    if (verdict === 'done' && kind === 'ack') {
      this.#acks.push(settlement);
      this.#dead.delete(sequence);
    }
    this.#answers.push([endpoint, { is: 'settled', settlement, verdict }]);
  }

  #endClaims(): void {
    if (this.claims === 'ended') return;
    this.claims = 'ended';
    this.machine.endClaims(!this.hasDeparted, this.#world.now);
    this.reference.endClaims(!this.hasDeparted, this.#world.now);
    this.hasDeparted = false;
  }

  #publish(entries: readonly Entry[]): void {
    const { log } = this.disk;
    const head = log.length;
    log.push(...entries);
    for (let lane = 0; lane < this.definition.lanes; lane++) {
      // A lane that is behind reads them from the log, after this turn.
      if (this.machine.lane(lane).position < head) continue;
      for (let at = head + 1; at <= log.length && this.machine.wantsMore(lane); at++) {
        this.#see(lane, at);
      }
    }
  }

  /** Reads on from the log what the turn's batch does not hold. */
  #readOn(): void {
    const { machine } = this;
    for (let lane = 0; lane < this.definition.lanes; lane++) {
      let budget = 6;
      for (let at = machine.nextUnread(lane); at > 0 && budget > 0; at = machine.nextUnread(lane)) {
        budget--;
        this.#see(lane, at);
      }
      while (budget-- > 0 && machine.wantsMore(lane)) {
        const at = machine.lane(lane).position + 1;
        if (at > this.disk.log.length) break;
        this.#see(lane, at);
      }
    }
  }

  #see(lane: number, sequence: number): void {
    const entry = this.disk.log[sequence - 1]!;
    const isListed = sequence <= this.machine.lane(lane).position;
    if (entry.isPruned && isListed) {
      this.machine.pruned(sequence, sequence);
      this.reference.pruned(sequence, sequence);
    } else if (entry.isPruned || entry.lane !== lane) {
      this.machine.passed(lane, sequence);
      this.reference.passed(lane, sequence);
    } else {
      const key = this.definition.hasKeys ? entry.key : undefined;
      this.machine.read(lane, sequence, key);
      this.reference.read(lane, sequence, key);
    }
  }

  #wordOf(key: string): number {
    return this.#gates.wordOf('', key);
  }

  #examine(_lane: number, sequence: number, key: string | undefined): Examined {
    if (this.#examinedLeft-- <= 0) return 'later';
    if (this.disk.log[sequence - 1]!.isPruned) {
      this.reference.pruned(sequence, sequence);
      return 'gone';
    }
    if (!this.#unmatched.delete(sequence)) return this.#takeKey(sequence, key);
    this.reference.unmatched(sequence);
    this.#done(sequence);
    return 'unmatched';
  }

  #takeKey(sequence: number, key: string | undefined): Examined {
    const { now, planted } = this.#world;
    if (key === undefined || planted.has('keys of one shard only')) return 'there';
    if (this.#gates.take(this.#wordOf(key), now)) return 'there';
    this.reference.aside(sequence, now + GATE_WAIT_MS);
    return 'taken';
  }

  /** Without an ack. */
  #done(sequence: number): void {
    this.#dead.delete(sequence);
    this.#world.over(this, sequence);
  }

  #commit(): void {
    const { disk, machine, reference } = this;
    const { now } = this.#world;
    const { leaseNext } = machine;
    for (const ack of this.groups.commit(this.#groupHost)) {
      this.#acks.push(ack);
      this.#dead.delete(ack.sequence);
    }
    for (const row of disk.rows.keys()) {
      if (!machine.isDirty(row)) continue;
      const open = machine.store(row, now).slice();
      const { rowPosition: position, storedAcked: acked, redelivered, lost } = machine.lane(row);
      const ageMs = 0;
      disk.rows[row] = { position, leaseNext, acked, redelivered, lost, ageMs, open, at: now };
      machine.committed(row);
    }
    const positions = disk.rows.map(({ position }) => position);
    disk.ref = reference.stored(positions, now);
    const wrong = reference.events.find(
      (event) => event.sequence > positions[event.lane]! && !isAsRead(event),
    );
    if (wrong !== undefined) this.#fault(`${wrong.sequence} is left out of its row`);
    disk.settled = new Map(this.#settled);
    disk.dead = new Map(this.#dead);
    this.#gates.stored();
    this.#world.committed(this, this.#acks.splice(0));
  }

  #answer(): void {
    for (const [endpoint, told] of this.#answers.splice(0)) this.#deliver(endpoint, told);
  }

  #tell(room: number): void {
    let left = room;
    const deliver = (member: number, told: Told) => {
      if (left-- <= 0) return false;
      const endpoint = this.#world.endpointOf(member);
      if (endpoint !== undefined) this.#deliver(endpoint, told);
      return true;
    };
    this.machine.tell({
      leased: (member, sequence, lease, attempt, deadline, isAlone) => {
        const told: Told = { is: 'lease', member, sequence, lease, attempt, deadline, isAlone };
        if (!deliver(member, told)) return false;
        const event = this.reference.find(sequence);
        if (event?.lease?.number === lease) this.reference.told(sequence);
        else this.#fault(`told a lease of ${sequence} that is over`);
        return true;
      },
      lost: (member, sequence, lease) => {
        if (!deliver(member, { is: 'lost', member, sequence, lease })) return false;
        this.#machineLost.push(`${member}:${sequence}:${lease}`);
        return true;
      },
      supply: (member, isReady) => deliver(member, { is: 'supply', member, isReady }),
    });
    this.#compareLost();
  }

  #deliver(endpoint: number, told: Told): void {
    if (this.#world.isAlive(endpoint)) this.delivery.get(endpoint)!.push(told);
  }

  /** What is told as lost has ended without a settlement, and each only once. */
  #compareLost(): void {
    for (const lease of this.#machineLost.splice(0)) {
      const at = this.reference.lost.indexOf(lease);
      if (at < 0) this.#fault(`told ${lease} as lost`);
      else this.reference.lost.splice(at, 1);
    }
  }

  #compare(when: string): void {
    const bySequence = (a: RefDead, b: RefDead) => a.sequence - b.sequence;
    const dead = this.#machineDead.splice(0).sort(bySequence);
    const expected = this.reference.dead.splice(0).sort(bySequence);
    if (dead.length + expected.length > 0 && textOf(dead) !== textOf(expected)) {
      this.#fault(`${when}: dead ${textOf(dead)}, and not ${textOf(expected)}`);
    }
    for (const event of dead) {
      this.#dead.set(event.sequence, event);
    }
    const machine = this.machine.list(0, Number.POSITIVE_INFINITY);
    const reference = listOf(this.reference);
    const counts = countsOf(this.disk.rows.map((_, lane) => this.machine.lane(lane)));
    if (textOf(counts) !== textOf(this.reference.counts)) {
      this.#fault(`${when}: ${textOf(counts)}, and not ${textOf(this.reference.counts)}`);
    }
    const keys = this.machine
      .heldKeys(0, Number.POSITIVE_INFINITY)
      .map(({ key, waiting, first }) => ({ key, waiting, first: first.sequence }));
    if (textOf(keys) !== textOf(this.reference.heldKeys())) {
      this.#fault(`${when}: held ${textOf(keys)}, and not ${textOf(this.reference.heldKeys())}`);
    }
    const at = machine.findIndex((event, index) => !isSame(event, reference[index]));
    if (at < 0 && machine.length === reference.length) return;
    this.#fault(`${when}: ${textOf(machine[at])}, and not ${textOf(reference[at])}`);
  }

  #fault(text: string): void {
    this.#world.fault(`shard ${this.id}: ${text}`);
  }
}
