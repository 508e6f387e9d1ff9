import type { Event } from 'millrace/client';
import { type Comparison, EACH, type Path, type Search, type Step, type Wanted } from './search.js';

/**
 * Tests events for a search. Pure.
 *
 * A comparison holds if it holds for one of the values that the path leads to; where it leads to none, it does not hold.
 * Numbers are those of JavaScript: beyond 2^53 neighbours are equal.
 */

export type EventTest = (event: Event) => boolean;

export function compileSearch(search: Search): EventTest {
  switch (search.kind) {
    case 'text': {
      const text = search.text.toLowerCase();
      return ({ payload }) => holdsText(payload, text);
    }
    case 'exists':
      return someValue(search.path, () => true);
    case 'compare':
      return compileComparison(search);
    case 'not': {
      const test = compileSearch(search.inner);
      return (event) => !test(event);
    }
    case 'and': {
      const tests = search.parts.map(compileSearch);
      return (event) => tests.every((test) => test(event));
    }
    case 'or': {
      const tests = search.parts.map(compileSearch);
      return (event) => tests.some((test) => test(event));
    }
  }
}

function compileComparison({ path, operator, value }: Comparison): EventTest {
  switch (operator) {
    case '=':
      return someValue(path, (found) => isEqual(found, value));
    case '!=': {
      const exists = someValue(path, () => true);
      const equals = someValue(path, (found) => isEqual(found, value));
      return (event) => exists(event) && !equals(event);
    }
    case '~': {
      const text = value.text.toLowerCase();
      return someValue(path, (found) => holdsText(found, text));
    }
    default: {
      const wanted = orders[operator];
      return someValue(path, (found) => wanted(order(found, value)));
    }
  }
}

const orders = {
  '>': (order: number): boolean => order > 0,
  '>=': (order: number): boolean => order >= 0,
  '<': (order: number): boolean => order < 0,
  '<=': (order: number): boolean => order <= 0,
} as const;

function isEqual(found: unknown, { text, isQuoted }: Wanted): boolean {
  if (typeof found === 'string') return found === text;
  if (isQuoted) return false;
  if (typeof found === 'number') return text.trim() !== '' && found === Number(text);
  return (typeof found === 'boolean' || found === null) && String(found) === text;
}

/** Below, at or above 0; NaN where the two cannot be compared. */
function order(found: unknown, { text, isQuoted }: Wanted): number {
  const number = isQuoted ? Number.NaN : Number(text);
  if (typeof found === 'number') return found - number;
  if (typeof found !== 'string' || !Number.isNaN(number)) return Number.NaN;
  return found === text ? 0 : found > text ? 1 : -1;
}

/** Whether a key or a value within holds the text, which is in small letters. JSON is at most 64 levels deep. */
function holdsText(value: unknown, text: string): boolean {
  if (typeof value === 'string') return value.toLowerCase().includes(text);
  if (typeof value !== 'object' || value === null) return String(value).includes(text);
  if (Array.isArray(value)) return value.some((item) => holdsText(item, text));
  for (const key in value) {
    if (key.toLowerCase().includes(text)) return true;
    if (holdsText((value as Readonly<Record<string, unknown>>)[key], text)) return true;
  }
  return false;
}

function someValue({ field, steps }: Path, test: (value: unknown) => boolean): EventTest {
  return (event) => {
    const value = event[field];
    return value !== undefined && reaches(value, steps, 0, test);
  };
}

function reaches(
  value: unknown,
  steps: readonly Step[],
  at: number,
  test: (value: unknown) => boolean,
): boolean {
  const step = steps[at];
  if (step === undefined) return test(value);
  if (typeof value !== 'object' || value === null) return false;
  if (step === EACH) {
    return Array.isArray(value) && value.some((item) => reaches(item, steps, at + 1, test));
  }
  if (!Object.hasOwn(value, step) || (Array.isArray(value) && step === 'length')) return false;
  return reaches((value as Readonly<Record<string | number, unknown>>)[step], steps, at + 1, test);
}
