import type { WebSocket } from 'ws';
import { parseDefinition } from '../../../src/protocol/consumer-definition.js';
import type { WireSettlement } from '../../../src/protocol/consumer-frames.js';
import { type Asked, send, WrongServer, wireEvent } from './wrong-server.js';

/**
 * A server with one consumer, `worker`, whose jobs a test hands out itself or has handed out: it leases no member more
 * than it has places for, takes leases back with their connection, and counts what becomes of each job.
 */

interface Member {
  readonly socket: WebSocket;
  readonly id: string;
  readonly concurrency: number;
  /** The sequences that it has in hand, by lease. */
  readonly leases: Map<string, number>;
  isLeaving: boolean;
}

export class ConsumerServer {
  readonly server: WrongServer;
  readonly settled: (WireSettlement & { readonly sequence: number | undefined })[] = [];
  /** How many settlements each `settle` frame has had. */
  readonly frames: number[] = [];
  readonly acked: number[] = [];
  leaseMs = 30_000;
  /** Answers a frame itself and returns true, or leaves it to the default answer. */
  script: (asked: Asked, socket: WebSocket) => boolean = () => false;
  #jobs: number[] = [];
  #members: Member[] = [];
  readonly #pulled = new Map<string, number>();
  #lastLease = 0;

  private constructor(server: WrongServer) {
    this.server = server;
    server.script = (asked, socket) => this.script(asked, socket) || this.#answer(asked, socket);
  }

  static async start(): Promise<ConsumerServer> {
    return new ConsumerServer(await WrongServer.start());
  }

  get url(): string {
    return this.server.url;
  }

  get members(): readonly Member[] {
    return this.#members;
  }

  /** Adds jobs, and leases them as far as there are places. */
  add(...sequences: number[]): void {
    this.#jobs.push(...sequences);
    this.#lease();
  }

  /** Leases a job to the first member, whether it has a place or not. */
  force(sequence: number, leaseMs = this.leaseMs): string {
    return this.#give(this.#members[0]!, [sequence], leaseMs)[0]!;
  }

  /** Says that the leases of the first member are lost. */
  lose(...leases: string[]): void {
    const member = this.#members[0]!;
    for (const lease of leases) member.leases.delete(lease);
    send(member.socket, { type: 'leaseLost', payload: { member: member.id, leases } });
  }

  end(code: string): void {
    const [member] = this.#members.splice(0, 1);
    const payload = { member: member!.id, code, message: `ended: ${code}` };
    send(member!.socket, { type: 'memberEnded', payload });
  }

  cut(): void {
    for (const socket of this.server.sockets) socket.terminate();
  }

  #lease(): void {
    for (const member of this.#members) {
      const room = member.isLeaving ? 0 : member.concurrency - member.leases.size;
      const some = this.#jobs.splice(0, room);
      if (some.length > 0) this.#give(member, some, this.leaseMs);
    }
  }

  #give(member: Member, sequences: readonly number[], leaseMs: number): string[] {
    const deliveries = sequences.map((sequence) => {
      const lease = `lease-${++this.#lastLease}`;
      member.leases.set(lease, sequence);
      return { lease, attempt: 1, leaseMs, event: wireEvent(sequence) };
    });
    send(member.socket, { type: 'deliveries', payload: { member: member.id, deliveries } });
    return deliveries.map(({ lease }) => lease);
  }

  #answer({ type, requestId, payload }: Asked, socket: WebSocket): boolean {
    const reply = (kind: string, answer: unknown): true => {
      send(socket, { type: kind, requestId, payload: answer });
      return true;
    };
    switch (type) {
      case 'consumer': {
        const definition = parseDefinition({ filter: 'a', maxAttempts: 3 });
        const createdAt = '2026-01-01T00:00:00.000Z';
        const consumer = { name: payload.name, definition, paused: false, createdAt };
        return reply('result', { consumer });
      }
      case 'join':
        reply('joined', { member: payload.member, leaseMs: this.leaseMs, maxAttempts: 3 });
        this.#join(socket, payload.member, payload.concurrency);
        return true;
      case 'leave':
        for (const member of this.#members) {
          if (member.socket === socket && member.id === payload.member) member.isLeaving = true;
        }
        return reply('left', { member: payload.member });
      case 'settle':
        this.frames.push(payload.settlements.length);
        reply('settled', {
          results: payload.settlements.map((one: WireSettlement) => this.#settle(one)),
        });
        this.#lease();
        return true;
      case 'pull':
        return reply('result', { deliveries: this.#pull(payload.max) });
      case 'alterConsumer':
        return reply('result', {});
      default:
        return false;
    }
  }

  #join(socket: WebSocket, id: string, concurrency: number): void {
    const member = { socket, id, concurrency, leases: new Map<string, number>(), isLeaving: false };
    this.#members.push(member);
    socket.once('close', () => {
      if (!this.#members.includes(member)) return;
      this.#members = this.#members.filter((one) => one !== member);
      this.#jobs.unshift(...member.leases.values());
      this.#lease();
    });
    this.#lease();
  }

  #pull(max: number): object[] {
    return this.#jobs.splice(0, max).map((sequence) => {
      const lease = `pulled-${++this.#lastLease}`;
      this.#pulled.set(lease, sequence);
      return { lease, attempt: 1, leaseMs: this.leaseMs, event: wireEvent(sequence) };
    });
  }

  #settle(settlement: WireSettlement): object {
    const { lease, kind } = settlement;
    const holder =
      this.#members.find(({ leases }) => leases.has(lease))?.leases ??
      (this.#pulled.has(lease) ? this.#pulled : undefined);
    const sequence = holder?.get(lease);
    this.settled.push({ ...settlement, sequence });
    if (sequence === undefined) return { code: 'LEASE_LOST', message: `${lease} is lost` };
    if (kind === 'working') return { leaseMs: this.leaseMs };
    holder!.delete(lease);
    if (kind === 'ack') this.acked.push(sequence);
    if (kind === 'handBack') this.#jobs.unshift(sequence);
    return {};
  }
}
