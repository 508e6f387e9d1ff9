import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { BUDGET_LIMITS } from '../../../src/gateway/budget/account.js';
import { Budgets } from '../../../src/gateway/budget/budgets.js';
import { Share } from '../../../src/gateway/budget/share.js';
import { BodyBudget, roomIn } from '../../../src/gateway/http/body.js';
import {
  WORK_ASK_MS_MAX,
  WORK_FOUND_EVENT_MS,
  WORK_SLICE_MS,
} from '../../../src/protocol/limits/budgets.js';
import { PULLS_PER_PRINCIPAL_MAX } from '../../../src/protocol/limits/consumers.js';
import { HTTP_BODIES_PER_PRINCIPAL_BYTES_MAX } from '../../../src/protocol/limits/http.js';
import { principal } from '../http/support/open-http.js';

/** Work that a test ends; `begun` lists it in the order in which it began. */
class Works {
  readonly begun: string[] = [];
  readonly #ends = new Map<string, () => void>();

  start(share: Share, name: string, amount = 1): void {
    void share.run(amount, () => {
      this.begun.push(name);
      return new Promise<void>((resolve) => this.#ends.set(name, resolve));
    });
  }

  async end(name: string): Promise<void> {
    this.#ends.get(name)!();
    await settled();
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a share', () => {
  it('gives turns to principals one after the other, however much each asks for', async () => {
    const whole = Share.whole(Number.POSITIVE_INFINITY, 1);
    const works = new Works();
    const [greedy, modest] = [whole.part(100), whole.part(100)];
    const connections = [greedy.part(100), greedy.part(100)];
    for (let n = 0; n < 3; n++) works.start(connections[0]!, `a${n}`);
    works.start(connections[1]!, 'b0');
    works.start(modest.part(100), 'm0');
    await settled();
    for (let n = 0; n < 5; n++) await works.end(works.begun.at(-1)!);
    expect(works.begun).toEqual(['a0', 'a1', 'm0', 'b0', 'a2']);
  });

  it('runs no more of a principal at once than it may, and leaves the other turns to others', async () => {
    const whole = Share.whole(Number.POSITIVE_INFINITY, 3);
    const works = new Works();
    const [greedy, modest] = [whole.part(100, 2), whole.part(100, 2)];
    for (const name of ['a0', 'a1', 'a2', 'a3']) works.start(greedy.part(100), name);
    await settled();
    expect(works.begun).toEqual(['a0', 'a1']);
    works.start(modest, 'm0');
    await settled();
    expect(works.begun).toEqual(['a0', 'a1', 'm0']);
    await works.end('a0');
    expect(works.begun).toEqual(['a0', 'a1', 'm0', 'a2']);
    for (const name of ['a1', 'a2', 'm0']) await works.end(name);
    expect(works.begun).toEqual(['a0', 'a1', 'm0', 'a2', 'a3']);
  });

  it('passes over a full principal until a quarter of its share is free', async () => {
    const whole = Share.whole(1000);
    const works = new Works();
    const full = whole.part(500).part(10);
    const other = whole.part(500).part(10);
    full.hold(10);
    works.start(full, 'f');
    works.start(other, 'o');
    await settled();
    expect(works.begun).toEqual(['o']);
    full.hold(-1);
    await settled();
    expect(works.begun).toEqual(['o']);
    full.hold(-3);
    await settled();
    expect(works.begun).toEqual(['o', 'f']);
  });

  it('gives turns only to principals that hold less than an equal part once the whole is used up', async () => {
    const whole = Share.whole(100);
    const works = new Works();
    const [rich, poor] = [whole.part(1000), whole.part(1000)];
    rich.hold(100);
    works.start(rich.part(1000), 'r');
    works.start(poor.part(1000), 'p');
    await settled();
    expect(works.begun).toEqual(['p']);
    expect([rich.isFull, poor.isFull]).toEqual([true, false]);
    rich.hold(-80);
    await settled();
    expect(works.begun).toEqual(['p', 'r']);
  });

  it('holds nothing once all principals have had their turns and given back', async () => {
    const action = fc.record({
      principal: fc.nat(2),
      connection: fc.nat(2),
      amount: fc.nat(6),
      keeps: fc.nat(3),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 40 }), async (actions) => {
        const whole = Share.whole(12, 2);
        const principals = [whole.part(8), whole.part(8), whole.part(8)];
        const parts = principals.map((one) => [one.part(4), one.part(4), one.part(4)]);
        let most = 0;
        let running = 0;
        const done = actions.map(async ({ principal: p, connection: c, amount, keeps }) => {
          const share = parts[p]![c]!;
          await share.run(amount, async () => {
            most = Math.max(most, ++running);
            await settled();
            running--;
          });
          share.hold(keeps);
          await settled();
          share.hold(-keeps);
        });
        await Promise.all(done);
        expect(whole.held).toBe(0);
        expect(most).toBeLessThanOrEqual(2);
      }),
      { numRuns: 60 },
    );
  });

  it('goes on with the work of a principal where a client leaves amid its own', async () => {
    const whole = Share.whole(64);
    const works = new Works();
    const principal = whole.part(1);
    const [leaves, stays] = [principal.part(1), principal.part(1)];
    works.start(leaves, 'l0');
    works.start(leaves, 'l1');
    works.start(stays, 's0');
    await settled();
    leaves.dispose();
    await settled();
    expect(works.begun).toEqual(['l0']);
    await works.end('l0');
    await works.end(works.begun[1]!);
    await works.end(works.begun[2]!);
    expect(works.begun.toSorted()).toEqual(['l0', 'l1', 's0']);
    expect(whole.held).toBe(0);
  });

  it('runs all that is asked for, no more at once than it may, whichever clients leave meanwhile', async () => {
    const connection = { principal: fc.nat(2), connection: fc.nat(2) };
    const step = fc.oneof(
      fc.record({ is: fc.constant('work' as const), ...connection }),
      fc.record({ is: fc.constant('end' as const), which: fc.nat(9) }),
      fc.record({ is: fc.constant('leave' as const), ...connection }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const whole = Share.whole(64);
        const principals = [1, 1, 2].map((max) => ({ max, share: whole.part(max), running: 0 }));
        const clients = principals.flatMap((of, principal) =>
          [0, 1, 2].map(() => ({ of, principal, share: of.share.part(1), isGone: false })),
        );
        const ends: (() => void)[] = [];
        let asked = 0;
        let begun = 0;
        for (const one of steps) {
          if (one.is === 'end') ends.splice(one.which % Math.max(1, ends.length), 1)[0]?.();
          else {
            const client = clients[one.principal * 3 + one.connection]!;
            const { of, share } = client;
            if (one.is === 'work') {
              asked++;
              void share.run(1, async () => {
                begun++;
                expect(++of.running).toBeLessThanOrEqual(of.max);
                await new Promise<void>((resolve) => ends.push(resolve));
                of.running--;
              });
            } else {
              client.isGone = true;
              share.dispose();
              const others = clients.filter(({ principal }) => principal === one.principal);
              if (others.every(({ isGone }) => isGone)) of.share.dispose();
            }
          }
          await settled();
        }
        for (let end = ends.shift(); end !== undefined; end = ends.shift()) {
          end();
          await settled();
        }
        expect(begun).toBe(asked);
        expect(whole.held).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  it('gives back all that it holds when it is disposed of, and only once', async () => {
    const whole = Share.whole(10);
    const part = whole.part(10);
    const works = new Works();
    works.start(part, 'w', 5);
    part.hold(3);
    await settled();
    part.dispose();
    part.hold(-3);
    await works.end('w');
    expect(whole.held).toBe(0);
  });
});

describe('a budget', () => {
  const who = principal();
  const limits = {
    ...BUDGET_LIMITS,
    maxSubscriptions: 2,
    maxSubscriptionsPerPrincipal: 3,
    maxPatterns: 10,
    maxPatternsPerPrincipal: 15,
  };

  it('counts subscriptions and patterns of each connection and of each principal', () => {
    const budgets = new Budgets(limits);
    const [first, second] = [budgets.open(who, '::1'), budgets.open(who, '::2')];
    const placed = first.subscribe(6);
    const refused = (limitOf: string) =>
      expect.objectContaining({
        code: 'LIMIT_EXCEEDED',
        details: expect.objectContaining({ limitOf }),
      });
    expect(() => first.subscribe(5)).toThrow(refused('connection'));
    first.subscribe(4);
    expect(() => first.subscribe(0)).toThrow(refused('connection'));
    expect(() => second.subscribe(6)).toThrow(refused('principal'));
    second.subscribe(5);
    expect(() => second.subscribe(0)).toThrow(refused('principal'));
    placed.update(1);
    expect(() => placed.update(7)).toThrow('patterns');
    // This filter alone exceeds the limit, so another try cannot succeed.
    expect(() => placed.update(11)).toThrow(refused('filter'));
    expect(() => budgets.open(principal({ id: 'b' }), '::1').subscribe(11)).toThrow(
      refused('filter'),
    );
    placed.leave();
    placed.leave();
    second.subscribe(5);
  });

  it('is counted by address for clients without a token', () => {
    const budgets = new Budgets(limits);
    const nobody = principal({ id: 'anonymous', isAnonymous: true });
    for (const address of ['192.0.2.1', '192.0.2.2']) {
      const [a, b] = [budgets.open(nobody, address), budgets.open(nobody, address)];
      for (const one of [a, a, b]) one.subscribe(1);
      expect(() => b.subscribe(1)).toThrow('this principal has 3 subscriptions');
    }
    expect(budgets.size).toBe(2);
  });

  it('bounds the bodies of one principal, and leaves room for those of others', () => {
    const budgets = new Budgets(limits);
    const all = new BodyBudget(HTTP_BODIES_PER_PRINCIPAL_BYTES_MAX + 10);
    const room = (id: string) => roomIn(budgets.open(principal({ id }), '::1').bodies, all);
    const [first, second, other] = [room('a'), room('a'), room('b')];
    first.take(HTTP_BODIES_PER_PRINCIPAL_BYTES_MAX - 1);
    expect(() => second.take(2)).toThrow('of this principal');
    second.take(1);
    expect(() => other.take(11)).toThrow('all requests together');
    other.take(10);
    first.giveBack(5);
    second.take(5);
  });

  it('is forgotten with the last connection of its principal', () => {
    const budgets = new Budgets(limits);
    const [first, second] = [budgets.open(who, '::1'), budgets.open(who, '::1')];
    first.bytes.hold(100);
    expect(budgets.heldBytes).toBe(100);
    first.close();
    first.close();
    expect([budgets.heldBytes, budgets.size]).toEqual([0, 1]);
    second.close();
    expect(budgets.size).toBe(0);
  });

  it('runs a few queries at a time, lets others wait, and refuses any beyond those', async () => {
    const budgets = new Budgets({ ...limits, maxQueries: 2, maxQueriesPerPrincipal: 3 });
    let running = 0;
    const never = (): Promise<never> => {
      running++;
      return new Promise(() => {});
    };
    const [first, second] = [budgets.open(who, '::1'), budgets.open(who, '::1')];
    for (let n = 0; n < 1000; n++) void first.query(never);
    for (let n = 0; n < 27; n++) void second.query(never);
    await settled();
    expect(running).toBe(3);
    await expect(second.query(never)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    const other = budgets.open(principal({ id: 'other' }), '::1');
    void other.query(never);
    await settled();
    expect(running).toBe(4);
  });
});

describe('the pulls of one principal', () => {
  it('are bounded over all its connections, and others have their own', async () => {
    const budgets = new Budgets();
    const [one, two] = [principal({ id: 'a' }), principal({ id: 'b' })];
    const [first, second] = [budgets.open(one, '::1'), budgets.open(one, '::2')];
    let end = (): void => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const waiting = Array.from({ length: PULLS_PER_PRINCIPAL_MAX }, (_, n) =>
      (n % 2 === 0 ? first : second).pull(() => ended),
    );
    await expect(first.pull(() => ended)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    await budgets.open(two, '::1').pull(async () => {});
    end();
    await Promise.all(waiting);
    await second.pull(async () => {});
  });
});

describe('calls of shards for a principal', () => {
  it('are made one at a time over all its connections, beside those of others', async () => {
    const budgets = new Budgets();
    const mallory = [1, 2].map(() => budgets.open(principal({ id: 'mallory' }), '127.0.0.1'));
    const alice = budgets.open(principal({ id: 'alice' }), '127.0.0.1');
    const begun: string[] = [];
    const ends: (() => void)[] = [];
    const ask = (budget: (typeof mallory)[number], name: string): Promise<void> =>
      budget.turns.askInTurn(() => {
        begun.push(name);
        return new Promise((resolve) => ends.push(resolve));
      });
    const answers = [ask(mallory[0]!, 'm0'), ask(mallory[1]!, 'm1'), ask(alice, 'a0')];
    await settled();
    expect(begun).toEqual(['m0', 'a0']);
    ends[0]!();
    await answers[0];
    await settled();
    expect(begun).toEqual(['m0', 'a0', 'm1']);
    for (const end of ends) end();
    await Promise.all(answers);
  });

  it('are charged to it, so that it is held up while others are there', async () => {
    const budgets = new Budgets();
    const mallory = budgets.open(principal({ id: 'mallory' }), '127.0.0.1');
    budgets.open(principal({ id: 'alice' }), '127.0.0.1').work.charge(0);
    mallory.turns.found(WORK_SLICE_MS / WORK_FOUND_EVENT_MS, 0);
    expect(mallory.work.isHeldUp).toBe(true);
    let isRead = false;
    const read = mallory.query((asker) =>
      asker.readInTurn(0, async () => {
        isRead = true;
      }),
    );
    await Promise.resolve();
    expect(isRead).toBe(false);
    await read;
    expect([isRead, mallory.work.isHeldUp]).toEqual([true, false]);
  });

  it('are paid for by as long as they took, and by no more than a bound: a shard may be replaced meanwhile', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'setImmediate', 'performance'] });
    try {
      for (const tookMs of [100, 60_000]) {
        const budgets = new Budgets();
        const mallory = budgets.open(principal({ id: 'mallory' }), '127.0.0.1');
        const alice = budgets.open(principal({ id: 'alice' }), '127.0.0.1');
        let end = (): void => {};
        const ask = mallory.turns.askInTurn(() => new Promise<void>((resolve) => (end = resolve)));
        await vi.advanceTimersByTimeAsync(tookMs);
        alice.work.charge(0);
        end();
        await ask;
        expect(mallory.work.isHeldUp).toBe(true);
        await vi.advanceTimersByTimeAsync(Math.min(tookMs, WORK_ASK_MS_MAX) + 2);
        expect(mallory.work.isHeldUp).toBe(false);
      }
    } finally {
      vi.useRealTimers();
    }
  });
});
