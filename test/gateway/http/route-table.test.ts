import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Route } from '../../../src/gateway/http/route.js';
import { RouteTable } from '../../../src/gateway/http/route-table.js';

function route(path: string, method: Route['method'] = 'GET'): Route {
  return { method, path, handle: async () => {} };
}

const segment = fc.constantFrom('a', 'b', 'c');
const pattern = fc.array(fc.oneof(segment, fc.constant(':x')), { minLength: 1, maxLength: 4 });

describe('a route table', () => {
  it('prefers the route whose literal segments are further left, in whatever order routes were declared', () => {
    const arbitrary = fc.record({
      patterns: fc.uniqueArray(pattern, { selector: (one) => one.join('/'), maxLength: 8 }),
      path: fc.array(segment, { minLength: 1, maxLength: 4 }),
    });
    fc.assert(
      fc.property(arbitrary, fc.nat(), ({ patterns, path }, seed) => {
        const routes = patterns.map((one) => route(`/${one.join('/')}`));
        const taking = patterns.filter(
          (one) =>
            one.length === path.length && one.every((part, i) => part === ':x' || part === path[i]),
        );
        // A literal is smaller than ':x' by this, segment by segment.
        const rank = (one: readonly string[]) =>
          one.map((part) => (part === ':x' ? '1' : '0')).join('');
        const [best] = taking.sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
        const shuffled = routes.map((_, i) => routes[(i + seed) % routes.length]!);
        const found = new RouteTable(shuffled, '').find(`/${path.join('/')}`);
        expect(found?.path).toBe(best === undefined ? undefined : `/${best.join('/')}`);
      }),
    );
  });

  it('returns decoded parameters by their names in the route', () => {
    const get = route('/v1/consumers/:name');
    const pull = route('/v1/consumers/:consumer/pull', 'POST');
    const table = new RouteTable([get, pull], '/bus');
    const found = table.find('/bus/v1/consumers/m%C3%BChle/pull');
    expect(found?.byMethod.get('POST')).toBe(pull);
    expect(table.parametersOf(pull, '/bus/v1/consumers/m%C3%BChle/pull')).toEqual({
      consumer: 'mühle',
    });
    expect(table.parametersOf(get, '/bus/v1/consumers/a.b')).toEqual({ name: 'a.b' });
    expect(() => table.parametersOf(get, '/bus/v1/consumers/%e4')).toThrow('the name "%e4"');
  });

  it('finds no route for an empty parameter, outside its base path, or in another case', () => {
    const table = new RouteTable([route('/v1/events/:id'), route('/')], '/bus');
    for (const path of ['/bus/v1/events/', '/bus/v1/Events/1', '/v1/events/1', '/busy', '/']) {
      expect(table.find(path), path).toBeUndefined();
    }
    expect(table.find('/bus')).toBe(table.find('/bus/'));
    expect(table.find('/bus')).toBeDefined();
  });

  it('lists the methods of a path, and refuses a second route for one of them', () => {
    const routes = [route('/a', 'POST'), route('/a')];
    expect(new RouteTable(routes, '').find('/a')?.allow).toBe('POST, GET, HEAD, OPTIONS');
    expect(() => new RouteTable([...routes, route('/a')], '')).toThrow('two doors answer GET /a');
  });
});
