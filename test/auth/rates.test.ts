import { describe, expect, it } from 'vitest';
import { GrantedPrincipal } from '../../src/auth/granted-principal.js';
import type { PrincipalRates } from '../../src/auth/principal.js';
import { RateLimiter } from '../../src/auth/rate-limiter.js';
import { TokenBucket } from '../../src/auth/token-bucket.js';
import type { BusError } from '../../src/protocol/errors.js';
import { ADMINISTRATIONS_PER_SECOND } from '../../src/protocol/limits/gateway.js';

function principal(id: string, rates: PrincipalRates = {}) {
  return new GrantedPrincipal({ id, name: `name of ${id}` }, { rates });
}

function clock() {
  let time = 0;
  return { now: () => time, pass: (ms: number) => (time += ms) };
}

function refusalOf(action: () => void) {
  try {
    action();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('a token bucket', () => {
  it("is refilled evenly, and holds at most one second's worth", () => {
    const { now, pass } = clock();
    const bucket = new TokenBucket(10, now);
    expect(bucket.take(10)).toBe(0);
    expect(bucket.waitMs(1)).toBe(100);
    pass(99);
    expect(bucket.take(1)).toBe(1);
    pass(1);
    expect(bucket.take(1)).toBe(0);
    pass(3_600_000);
    expect(bucket.take(10)).toBe(0);
    expect(bucket.take(1)).toBe(100);
  });

  it("goes into debt for events that have happened, by at most one second's worth", () => {
    const { now, pass } = clock();
    const bucket = new TokenBucket(10, now);
    for (let n = 0; n < 12; n++) bucket.spend(1);
    expect(bucket.waitMs(1)).toBe(300);
    for (let n = 0; n < 1000; n++) bucket.spend(1);
    expect(bucket.waitMs(1)).toBe(1100);
    pass(1100);
    expect(bucket.take(1)).toBe(0);
  });

  it('gives a wait time without taking anything', () => {
    const { now } = clock();
    const bucket = new TokenBucket(2, now);
    for (let i = 0; i < 10; i++) expect(bucket.waitMs(2)).toBe(0);
    expect(bucket.take(2)).toBe(0);
    expect(bucket.waitMs(2)).toBe(1000);
  });

  it('may have a rate below one a second', () => {
    const { now, pass } = clock();
    const bucket = new TokenBucket(0.1, now);
    expect(bucket.take(1)).toBe(0);
    expect(bucket.take(1)).toBe(10_000);
    pass(10_000);
    expect(bucket.take(1)).toBe(0);
  });
});

describe('rates', () => {
  it('are kept by the clock of the process where no other is given', () => {
    const rates = new RateLimiter().connection(principal('p', { publishPerSecond: 0.001 }));
    rates.publish(1);
    const refusal = refusalOf(() => rates.publish(1)) as BusError;
    expect(refusal).toMatchObject({ code: 'RATE_LIMITED' });
    expect(refusal.details?.retryAfterMs).toBeGreaterThan(0);
    expect(refusal.details?.retryAfterMs).toBeLessThanOrEqual(1_000_000);
  });

  it('make nobody remembered who has none', () => {
    const limiter = new RateLimiter();
    limiter.connection(principal('p')).publish(1);
    expect(limiter.size).toBe(0);
  });

  it('of an anonymous client whose address is not known are those of its requests without one', () => {
    const { now } = clock();
    const limiter = new RateLimiter({ now });
    const identity = { id: 'anonymous', name: 'anonymous', isAnonymous: true };
    const anonymous = new GrantedPrincipal(identity, { rates: { publishPerSecond: 1 } });
    limiter.connection(anonymous).publish(1);
    expect(refusalOf(() => limiter.requests(anonymous, '').publish(1))).toBeDefined();
  });

  it('are unlimited unless configured', () => {
    const rates = new RateLimiter().connection(principal('p'));
    for (let i = 0; i < 1000; i++) {
      rates.publish(1000);
      rates.subscribe();
    }
  });

  it('of a connection do not depend on other connections', () => {
    const { now, pass } = clock();
    const limiter = new RateLimiter({
      perConnection: { publishPerSecond: 10, subscribePerSecond: 1 },
      now,
    });
    const first = limiter.connection(principal('p'));
    const second = limiter.connection(principal('p'));
    first.publish(10);
    expect(refusalOf(() => first.publish(1))).toMatchObject({
      code: 'RATE_LIMITED',
      details: { retryAfterMs: 100, perSecond: 10, limitOf: 'connection' },
    });
    second.publish(10);
    first.subscribe();
    expect(refusalOf(() => first.subscribe())).toMatchObject({
      details: { retryAfterMs: 1000, perSecond: 1, limitOf: 'connection' },
    });
    pass(100);
    first.publish(1);
  });

  it('of a principal hold over all its connections, and not for other principals', () => {
    const { now, pass } = clock();
    const limiter = new RateLimiter({ now });
    const rates = { publishPerSecond: 10, subscribePerSecond: 2 };
    const [one, two] = [principal('p', rates), principal('p', rates)].map((who) =>
      limiter.connection(who),
    );
    const other = limiter.connection(principal('q', rates));
    one!.publish(6);
    two!.publish(4);
    const refusal = refusalOf(() => one!.publish(1));
    expect(refusal).toMatchObject({
      code: 'RATE_LIMITED',
      message: expect.stringContaining('"name of p"'),
      details: { retryAfterMs: 100, perSecond: 10, limitOf: 'principal' },
    });
    other.publish(10);
    one!.subscribe();
    two!.subscribe();
    expect(refusalOf(() => two!.subscribe())).toMatchObject({ code: 'RATE_LIMITED' });
    pass(500);
    two!.publish(5);
  });

  it('of connection and principal are not used up by what the other one refuses', () => {
    const { now, pass } = clock();
    const limiter = new RateLimiter({ perConnection: { publishPerSecond: 1 }, now });
    const shared = principal('p', { publishPerSecond: 10 });
    const [refused, other] = [limiter.connection(shared), limiter.connection(shared)];
    // More than its bucket holds passes a full one, and empties that of the principal.
    other.publish(10);
    expect(refusalOf(() => refused.publish(1))).toMatchObject({
      details: { retryAfterMs: 100, limitOf: 'principal' },
    });
    pass(100);
    refused.publish(1);
    pass(200);
    expect(refusalOf(() => refused.publish(1))).toMatchObject({
      details: { retryAfterMs: 800, limitOf: 'connection' },
    });
    limiter.connection(shared).publish(2);
  });

  it('are those of the token in use, and changing the token does not refill them', () => {
    const { now, pass } = clock();
    const limiter = new RateLimiter({ now });
    const slow = limiter.connection(principal('p', { publishPerSecond: 1 }));
    const fast = limiter.connection(principal('p', { publishPerSecond: 5 }));
    const free = limiter.connection(principal('p'));
    fast.publish(5);
    for (let i = 0; i < 5; i++) {
      expect(refusalOf(() => slow.publish(1))).toMatchObject({ details: { perSecond: 1 } });
      free.publish(1);
      expect(refusalOf(() => fast.publish(1))).toMatchObject({
        details: { perSecond: 5, retryAfterMs: 200 },
      });
    }
    pass(1000);
    slow.publish(1);
    expect(refusalOf(() => fast.publish(1))).toBeDefined();
    pass(1000);
    fast.publish(5);
  });

  it('of a connection go on with its next token, which brings the rates of its own principal', () => {
    const { now } = clock();
    const limiter = new RateLimiter({ perConnection: { publishPerSecond: 3 }, now });
    const before = limiter.connection(principal('p', { publishPerSecond: 3 }));
    before.publish(2);
    const after = limiter.connection(principal('q', { publishPerSecond: 2 }), '', before);
    after.publish(1);
    expect(refusalOf(() => after.publish(1))).toMatchObject({
      details: { perSecond: 3, limitOf: 'connection' },
    });
    limiter.connection(principal('q', { publishPerSecond: 2 })).publish(1);
    expect(refusalOf(() => limiter.connection(principal('q')).publish(1))).toBeUndefined();
  });

  it('of all HTTP requests of a principal are those of one connection', () => {
    const { now, pass } = clock();
    const limiter = new RateLimiter({ perConnection: { queryPerSecond: 2 }, now });
    for (let n = 0; n < 2; n++) limiter.requests(principal('p'), 'a').query();
    expect(refusalOf(() => limiter.requests(principal('p'), 'b').query())).toMatchObject({
      code: 'RATE_LIMITED',
      message:
        'query came too early: 2 per second is the limit of this connection; retry in 500 ms',
    });
    limiter.requests(principal('q'), 'a').query();
    limiter.connection(principal('p'), 'a').query();
    pass(500);
    limiter.requests(principal('p'), 'a').query();
  });

  it('of clients without a token are those of their network', () => {
    const { now } = clock();
    const limiter = new RateLimiter({ now });
    const identity = { id: 'anonymous', name: 'anonymous', isAnonymous: true };
    const nobody = new GrantedPrincipal(identity, { rates: { queryPerSecond: 1 } });
    const from = (address: string) => limiter.connection(nobody, address);
    from('203.0.113.1').query();
    from('203.0.113.2').query();
    expect(refusalOf(() => from('203.0.113.1').query())).toMatchObject({
      details: { limitOf: 'principal' },
    });
    const known = principal('p', { queryPerSecond: 1 });
    limiter.connection(known, '203.0.113.1').query();
    expect(refusalOf(() => limiter.connection(known, '203.0.113.2').query())).toBeDefined();
  });

  it('of the acts of an administrator are limited without any configuration', () => {
    const { now } = clock();
    const limiter = new RateLimiter({ now });
    for (let n = 0; n < ADMINISTRATIONS_PER_SECOND; n++) {
      limiter.connection(principal('p')).administer();
    }
    const refusal = refusalOf(() => limiter.connection(principal('p')).administer());
    expect(refusal).toMatchObject({
      message: expect.stringMatching(/^act came too early: .* is the limit of "name of p"; retry/),
      details: { perSecond: ADMINISTRATIONS_PER_SECOND, limitOf: 'principal' },
    });
    limiter.connection(principal('q')).administer();
  });

  it('name the number of events, the limit that holds longer, and the connection if both hold as long', () => {
    const { now } = clock();
    const limiter = new RateLimiter({ perConnection: { publishPerSecond: 4 }, now });
    const rates = { publishPerSecond: 4, subscribePerSecond: 1 };
    const connection = limiter.connection(principal('p', rates));
    connection.publish(4);
    expect(refusalOf(() => connection.publish(2))).toMatchObject({
      message:
        '2 events came too early: 4 per second is the limit of this connection; retry in 500 ms',
      details: { limitOf: 'connection' },
    });
    expect(refusalOf(() => connection.publish(1))).toMatchObject({
      message: expect.stringMatching(/^1 event came too early/),
    });
    connection.subscribe();
    expect(refusalOf(() => connection.subscribe())).toMatchObject({
      message:
        'subscribe came too early: 1 per second is the limit of "name of p"; retry in 1000 ms',
    });
  });

  it('of HTTP requests are remembered for a bounded number of principals as well', () => {
    const { now } = clock();
    const limiter = new RateLimiter({
      perConnection: { queryPerSecond: 1 },
      now,
      maxPrincipals: 2,
    });
    for (const name of ['a', 'b', 'c']) limiter.requests(principal(name), '').query();
    for (const name of ['b', 'c']) {
      expect(refusalOf(() => limiter.requests(principal(name), '').query())).toBeDefined();
    }
    limiter.requests(principal('a'), '').query();
  });

  it('are remembered for a bounded number of principals, the ones seen last', () => {
    const { now } = clock();
    const limiter = new RateLimiter({ now, maxPrincipals: 3 });
    const connections = Array.from({ length: 10 }, (_, n) =>
      limiter.connection(principal(`p${n}`, { publishPerSecond: 1 })),
    );
    connections[0]!.publish(1);
    for (const connection of connections.slice(1)) {
      connection.publish(1);
      // This principal is seen again and again, so it is not forgotten.
      expect(refusalOf(() => connections[0]!.publish(1))).toBeDefined();
    }
    expect(limiter.size).toBe(3);
    connections[1]!.publish(1);
    expect(limiter.size).toBe(3);
  });
});
