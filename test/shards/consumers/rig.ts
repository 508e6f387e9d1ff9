/** A shard without a thread, and members of its consumers whose records the test writes and reads by hand. */
import { expect } from 'vitest';
import type { AnswerOf, NameOf, RequestOf } from '../../../src/link/calls.js';
import {
  CONTROL_REASON,
  CONTROL_SETTLE,
  CONTROL_TOKENS,
  DELAY_OF_BACKOFF,
  DELIVERY_LEASE,
  DELIVERY_SETTLED,
  DELIVERY_SUPPLY,
  LEASE_EVENT,
  SETTLE_NAK,
  SETTLE_TERM,
  SUPPLY_LOST,
  SUPPLY_RETURNED,
  TOKENS_RECORD_LENGTH,
} from '../../../src/link/consumer-records.js';
import type { ConsumerEntry } from '../../../src/link/consumer-shapes.js';
import { LeaseView, SettledView, SupplyView } from '../../../src/link/consumer-views.js';
import {
  reasonRecordLength,
  settleRecordLength,
  writeReason,
  writeSettle,
  writeTokens,
} from '../../../src/link/consumer-writers.js';
import { DELIVERY_ACK } from '../../../src/link/link-records.js';
import { parseDefinition } from '../../../src/protocol/consumer-definition.js';
import type { ConsumerOptions } from '../../../src/protocol/consumers.js';
import type { ErrorData } from '../../../src/protocol/errors.js';
import { makeShard, memoryLog, TestLink } from '../support.js';

export type Said =
  | { lease: number; sequence: number; attempt: number; payload: unknown; isAlone: boolean }
  | { settled: number; refused: number[] }
  | { what: number; count?: number; lost?: number }
  | { ack: true };

export class TestMember {
  readonly link: TestLink;
  readonly member: number;
  #number = 0;

  constructor(link: TestLink, member: number) {
    this.link = link;
    this.member = member;
  }

  get #head() {
    return { generation: 1, member: this.member };
  }

  join(consumer: string, concurrency = 16, leases: [number, number, number][] = []): void {
    const { member } = this;
    const request = { member, consumer, concurrency, isDetached: false, since: 0, leases };
    this.link.call('consumerJoin', request, { id: 90 });
  }

  tokens(count: number, concurrency = 16): void {
    this.link.control(CONTROL_TOKENS, TOKENS_RECORD_LENGTH, (bytes, offset) =>
      writeTokens(bytes, offset, this.#head, count, concurrency),
    );
  }

  settle(
    kind: number,
    leases: readonly { sequence: number; lease: number }[],
    delayMs = DELAY_OF_BACKOFF,
  ): void {
    // A record has one settlement at least.
    if (leases.length === 0) return;
    const first = this.#number + 1;
    this.#number += leases.length;
    const settlements = leases.map(({ sequence, lease }) => ({ sequence, lease, kind, delayMs }));
    this.link.control(CONTROL_SETTLE, settleRecordLength(leases.length), (bytes, offset) =>
      writeSettle(bytes, offset, this.#head, first, settlements),
    );
  }

  /** The reason of the next settlement. */
  reason(text: string): void {
    this.link.control(CONTROL_REASON, reasonRecordLength(text), (bytes, offset) =>
      writeReason(bytes, offset, this.#head, this.#number + 1, text),
    );
  }

  /** Settlements are numbered from here on, as those that are sent again are. */
  numberFrom(number: number): void {
    this.#number = number - 1;
  }

  said(): Said[] {
    const said: Said[] = [];
    this.link.read((type, bytes, offset, length) => {
      if (type === DELIVERY_LEASE) {
        const { sequence, lease, attempt, flags, event } = new LeaseView().wrap(
          bytes,
          offset,
          length,
        );
        const payload: unknown = JSON.parse(event.payloadText);
        said.push({ sequence, lease, attempt, payload, isAlone: flags === 1 });
        expect(length).toBe(LEASE_EVENT + event.length);
      } else if (type === DELIVERY_SETTLED) {
        const view = new SettledView().wrap(bytes, offset, length);
        const refused = Array.from({ length: view.count }, (_, index) => view.refused(index));
        said.push({ settled: view.through, refused });
      } else if (type === DELIVERY_SUPPLY) {
        const { what, count, lease } = new SupplyView().wrap(bytes, offset, length);
        if (what === SUPPLY_LOST) said.push({ what, lost: lease });
        else said.push(what === SUPPLY_RETURNED ? { what, count } : { what });
      } else if (type === DELIVERY_ACK) said.push({ ack: true });
    });
    return said;
  }

  leases(): Extract<Said, { lease: number }>[] {
    return this.said().filter((one) => 'lease' in one);
  }
}

export function entryOf(options: Partial<ConsumerOptions> = {}, rest: Partial<ConsumerEntry> = {}) {
  const definition = parseDefinition({ filter: 'jobs.*', ...options });
  const entry = { id: 'c1', name: 'worker', definition, isPaused: false, round: 1 };
  const place = { position: 0, gate: 0 };
  return { ...entry, ...place, ...rest };
}

export const publish = (link: TestLink, n: number, topic = 'jobs.a'): void =>
  link.publish({ topic, id: `job-${n}`, payload: { n } });

/** A shard with one consumer and one member, which has so many tokens. */
export function working(
  options: Partial<ConsumerOptions> = {},
  tokens = 16,
  log = memoryLog([]),
  rest: Parameters<typeof makeShard>[2] = {},
) {
  const made = makeShard(log, true, rest);
  const link = new TestLink(1024 * 1024);
  made.join(link);
  const one = new TestMember(link, 1);
  made.shard.applyConsumers([entryOf(options)]);
  one.join('c1');
  if (tokens > 0) one.tokens(tokens);
  made.turn();
  one.said();
  return { ...made, link, one };
}

export type Rig = ReturnType<typeof working>;

/** Calls the shard and returns its answer, or the error, after so many turns. */
export function ask<N extends NameOf<'shard'>>(
  { link, turn }: Rig,
  name: N,
  request: RequestOf<N>,
) {
  link.call(name, request, { id: 7 });
  turn();
  const reply = link.replies().find(({ id }) => id === 7);
  return reply?.body as AnswerOf<N> & Partial<ErrorData>;
}

/** A consumer with so many events, which are all dead: every other by `term`. */
export function withDead(count: number, options: Parameters<typeof working>[0] = {}): Rig {
  const rig = working({ maxAttempts: 1, ...options }, Math.max(16, count));
  for (let n = 1; n <= count; n++) publish(rig.link, n);
  rig.turn();
  const leases = rig.one.leases();
  rig.one.reason('no such order');
  rig.one.settle(SETTLE_TERM, leases.slice(0, 1));
  rig.one.settle(SETTLE_NAK, leases.slice(1));
  rig.one.tokens(count);
  rig.turn();
  rig.one.said();
  return rig;
}
