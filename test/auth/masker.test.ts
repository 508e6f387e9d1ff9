import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Masker, REDACTED } from '../../src/auth/masker.js';
import { ANY, parseRedactionPath, type RedactionStep } from '../../src/auth/redaction-path.js';
import { REDACTION_WORK_MAX } from '../../src/protocol/limits/auth.js';
import { JSON_DEPTH_MAX } from '../../src/protocol/limits/events.js';

/** The meaning of paths, plainly: each of them is followed by itself. */
function maskPlainly(value: unknown, steps: readonly RedactionStep[]): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const maskChild = (key: string | number, child: unknown): unknown => {
    const matching = steps.filter(({ selector }) => selector === ANY || selector === key);
    if (matching.some(({ next }) => next === undefined)) return REDACTED;
    const onward = matching.flatMap(({ next }) => (next === undefined ? [] : [next]));
    return maskPlainly(child, [...steps.filter(({ isDeep }) => isDeep), ...onward]);
  };
  if (Array.isArray(value)) return value.map((child, index) => maskChild(index, child));
  const members = Object.entries(value).map(([name, child]) => [name, maskChild(name, child)]);
  return Object.fromEntries(members);
}

const step = fc.constantFrom('.a', '.b', '..a', '..b', '.*', '..*', '[0]', '[*]', '..[1]');
const path = fc.array(step, { minLength: 1, maxLength: 4 }).map((steps) => `$${steps.join('')}`);
const payload = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.integer(),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('value'), { maxKeys: 3 }),
  ),
})).value;

test('all paths followed at once mask the same as each path by itself, also for repeated payloads', () => {
  fc.assert(
    fc.property(
      fc.array(path, { minLength: 1, maxLength: 6 }),
      fc.array(payload, { minLength: 1, maxLength: 4 }),
      (paths, payloads) => {
        const parsed = paths.map(parseRedactionPath);
        const steps = parsed.map(({ first }) => first!);
        const masker = new Masker(parsed);
        for (const one of payloads) expect(masker.mask(one)).toEqual(maskPlainly(one, steps));
      },
    ),
    { numRuns: 1000 },
  );
});

/** So that each path is at a place of its own, and a payload can choose which of them are on their way. */
const WIDE = Array.from({ length: 64 }, (_, n) =>
  parseRedactionPath(`$..k${n}${'..x'.repeat(14)}..secret`),
);

test('a payload made to cost ever more work is masked entirely beyond a bound, and the next one is not', () => {
  const masker = new Masker(WIDE);
  let mix = 1;
  const next = (): number => (mix = (mix * 48_271) % 2_147_483_647);
  const chain = (depth: number): object =>
    depth === 0 ? { plain: 1 } : { [next() % 3 === 0 ? 'x' : `k${next() % 64}`]: chain(depth - 1) };
  const hostile = Array.from({ length: 2000 }, () => chain(50));
  const masked = masker.mask(hostile) as unknown[];
  expect(JSON.stringify(masked)).toContain(REDACTED);
  expect(masked[0]).toEqual(hostile[0]);
  const harmless = { k1: { x: { open: 1 } }, secret: 2 };
  expect(masker.mask(harmless)).toBe(harmless);
  expect(REDACTION_WORK_MAX).toBeLessThan(1_000_000);
});

test.each(['$[*].a.b', '$..secret'])(
  '%s leaves a large payload open where it selects nothing',
  (text) => {
    const masker = new Masker([parseRedactionPath(text)]);
    const large = Array.from({ length: REDACTION_WORK_MAX + 10 }, () => ({ a: { c: 1 } }));
    expect(masker.mask(large)).toBe(large);
  },
);

test('a masker without paths says that it masks nothing, and no other does', () => {
  const masksNothing = (...paths: string[]) =>
    new Masker(paths.map(parseRedactionPath)).masksNothing;
  expect([masksNothing(), masksNothing('$'), masksNothing('$.a')]).toEqual([true, false, false]);
});

test('a payload that is deeper than may be is masked below that depth', () => {
  const chain = (depth: number, end: unknown): unknown =>
    depth === 0 ? end : { a: chain(depth - 1, end) };
  const masker = new Masker([parseRedactionPath('$..secret')]);
  const deepest = chain(JSON_DEPTH_MAX - 1, { open: 1 });
  expect(masker.mask(deepest)).toBe(deepest);
  expect(masker.mask(chain(JSON_DEPTH_MAX, { open: 1 }))).toEqual(chain(JSON_DEPTH_MAX, REDACTED));
});
