import fc from 'fast-check';
import { expect, it } from 'vitest';
import { INTERNALS } from '../../src/endpoint/internals.js';
import { PublishLane } from '../../src/gateway/publish-lane.js';
import { BusError } from '../../src/protocol/errors.js';
import type { EventInput, PublishAck } from '../../src/protocol/event.js';
import { FakeEndpoint } from './support/fake-endpoint.js';

const eventOf = (payload: number): EventInput => ({ topic: 't', type: 't', payload });

interface OpenCheck {
  readonly resolve: () => void;
  readonly reject: (error: BusError) => void;
}

/** Checks every second publish, and answers when and as the test says. */
class CheckingEndpoint extends FakeEndpoint {
  readonly checks = new Map<number, OpenCheck>();

  get [INTERNALS]() {
    return {
      openerChecks: {
        check: ([first]: readonly EventInput[]): Promise<void> | undefined => {
          const n = Number(first!.payload);
          if (n % 2 === 0) return undefined;
          return new Promise((resolve, reject) => this.checks.set(n, { resolve, reject }));
        },
      },
    };
  }

  /** Of the events that were handed on, in their order. */
  get handed(): unknown[] {
    return this.published.map(({ inputs }) => inputs[0]!.payload);
  }
}

const refusal = new BusError('PAYLOAD_INVALID', 'it does not fit');

it('hands publishes on in their order, however their checks end', async () => {
  const publishes = fc.array(
    fc.record({ isFit: fc.boolean(), isMany: fc.boolean(), answeredAt: fc.nat(100) }),
    { maxLength: 20 },
  );
  await fc.assert(
    fc.asyncProperty(publishes, async (plan) => {
      const endpoint = new CheckingEndpoint();
      const lane = new PublishLane(endpoint, () => {});
      const answers = plan.map(({ isMany }, n) => {
        const many = (): Promise<PublishAck[]> => lane.publishMany([eventOf(n)], undefined);
        const one = (): Promise<unknown> => lane.publish(eventOf(n), undefined);
        return (isMany ? many() : one()).then(
          () => true,
          (error) => {
            expect(error).toBe(refusal);
            return false;
          },
        );
      });
      const inOrderOfAnswers = [...endpoint.checks].sort(
        ([a], [b]) => plan[a]!.answeredAt - plan[b]!.answeredAt,
      );
      for (const [n, check] of inOrderOfAnswers) {
        if (plan[n]!.isFit) check.resolve();
        else check.reject(refusal);
        await new Promise(setImmediate);
      }
      const isPassed = (n: number): boolean => n % 2 === 0 || plan[n]!.isFit;
      expect(await Promise.all(answers)).toEqual(plan.map((_, n) => isPassed(n)));
      expect(endpoint.handed).toEqual([...plan.keys()].filter(isPassed));
    }),
  );
});

it('hands on at once what needs no check, unless something waits', async () => {
  const endpoint = new CheckingEndpoint();
  const lane = new PublishLane(endpoint, () => {});
  void lane.publish(eventOf(2), undefined);
  expect(endpoint.handed).toEqual([2]);
  const checked = lane.publish(eventOf(3), undefined);
  const behind = lane.publish(eventOf(4), undefined);
  expect(endpoint.handed).toEqual([2]);
  endpoint.checks.get(3)!.resolve();
  await Promise.all([checked, behind]);
  expect(endpoint.handed).toEqual([2, 3, 4]);
  void lane.publish(eventOf(6), undefined);
  expect(endpoint.handed).toEqual([2, 3, 4, 6]);
});

it('does not wait for the ack of a publish before it hands on the next one', async () => {
  const endpoint = new CheckingEndpoint();
  let open = (): void => {};
  endpoint.gate = new Promise((resolve) => {
    open = resolve;
  });
  const lane = new PublishLane(endpoint, () => {});
  const acks = [1, 3].map((n) => lane.publish(eventOf(n), undefined));
  for (const check of endpoint.checks.values()) check.resolve();
  await new Promise(setImmediate);
  expect(endpoint.handed).toEqual([1, 3]);
  open();
  await Promise.all(acks);
});

it('refuses a publish whose client has lost the right to it while it waited', async () => {
  const endpoint = new CheckingEndpoint();
  const forbidden = new BusError('FORBIDDEN', 'not any more');
  const lane = new PublishLane(endpoint, ([first]) => {
    if (first!.payload === 1) throw forbidden;
  });
  const acks = [1, 3].map((n) => lane.publish(eventOf(n), undefined));
  for (const check of endpoint.checks.values()) check.resolve();
  await expect(acks[0]).rejects.toBe(forbidden);
  await acks[1];
  expect(endpoint.handed).toEqual([3]);
});
