import { expect, it } from 'vitest';
import { type LinkSubscription, Routes } from '../../src/shards/routes.js';
import type { ShardEnd } from '../../src/shards/shard-end.js';

const linkOf = (endpoint: string) => ({ endpoint }) as ShardEnd;
const subscriptionOn = (link: ShardEnd) => ({ link }) as LinkSubscription;

it('a topic leads to each link once, with those of its subscriptions that match', () => {
  const routes = new Routes();
  const [one, other] = [linkOf('one'), linkOf('other')];
  const [a, b, c, d] = [one, other, one, other].map(subscriptionOn);
  routes.add(a!, ['x.*', 'x.y']);
  routes.add(b!, ['x.y', 'z']);
  routes.add(c!, ['x.y']);
  routes.add(d!, ['w']);
  const { legs, subscriptions } = routes.of('x.y');
  expect(legs.map(({ link }) => link.endpoint).sort()).toEqual(['one', 'other']);
  const of = (link: ShardEnd) => legs.find((leg) => leg.link === link)!.subscriptions;
  expect(new Set(of(one))).toEqual(new Set([a, c]));
  expect(of(one)).toHaveLength(2);
  expect(of(other)).toEqual([b]);
  expect(subscriptions).toEqual(new Set([a, b, c]));
  expect(routes.of('v')).toEqual({ legs: [], subscriptions: new Set() });
});

it('a topic leads nowhere that it does not lead any more', () => {
  const routes = new Routes();
  const [a, b] = ['one', 'other'].map((name) => subscriptionOn(linkOf(name)));
  routes.add(a!, ['x', 'y']);
  routes.add(b!, ['x']);
  expect(routes.of('x').legs).toHaveLength(2);
  const route = routes.of('x');
  expect(routes.of('x')).toBe(route);
  routes.forget();
  expect(routes.of('x')).not.toBe(route);
  expect(routes.of('x')).toEqual(route);
  routes.remove(a!, ['x', 'y']);
  expect([routes.of('x').legs.length, routes.of('y').legs.length]).toEqual([1, 0]);
});
