import { EACH, FIELDS, type Path, SearchFault, type Step } from './search.js';
import { quoteEnd, unquoted } from './tokens.js';

/**
 * Reads a path, such as `payload.items[0].sku`. Pure.
 * @throws SearchFault
 */
export function parsePath(text: string, at: number): Path {
  const name = /^[^.[\]"]*/.exec(text)![0];
  const field = FIELDS.find((one) => one === name);
  if (field === undefined) throw new SearchFault(unknownField(text), at);
  const steps = stepsOf(text, name.length, at);
  if (steps.length > 0 && field !== 'payload' && field !== 'attributes') {
    throw new SearchFault(`${field} has no parts.`, at);
  }
  return { field, steps };
}

function unknownField(text: string): string {
  const known = `a path begins with ${FIELDS.join(', ')}`;
  return `"${text}" is no path; ${known}. Did you mean "payload.${text}"?`;
}

function stepsOf(text: string, start: number, at: number): Step[] {
  const steps: Step[] = [];
  for (let next = start; next < text.length; ) {
    const { step, end } = text[next] === '[' ? inBrackets(text, next, at) : named(text, next, at);
    steps.push(step);
    next = end;
  }
  return steps;
}

function inBrackets(text: string, start: number, at: number): { step: Step; end: number } {
  const found = /^\[(\d{1,9}|\*)\]/.exec(text.slice(start));
  if (found === null) {
    throw new SearchFault('Brackets hold a number, or * for every element.', at + start);
  }
  const [whole, inner] = found;
  return { step: inner === '*' ? EACH : Number(inner), end: start + whole.length };
}

function named(text: string, start: number, at: number): { step: Step; end: number } {
  if (text[start] !== '.') throw new SearchFault('A . or [ is missing here.', at + start);
  if (text[start + 1] === '"') {
    const end = quoteEnd(text, start + 1);
    return { step: unquoted(text.slice(start + 1, end), at + start + 1), end };
  }
  const [name] = /^[^.[\]"]*/.exec(text.slice(start + 1))!;
  if (name === '') throw new SearchFault('A name is missing behind this dot.', at + start);
  return { step: name, end: start + 1 + name.length };
}
