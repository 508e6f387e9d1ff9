import { REDACTION_PATH_LENGTH_MAX, REDACTION_PATH_STEPS_MAX } from '../protocol/limits/auth.js';
import { quote } from '../protocol/quote.js';

/**
 * Paths to the values in a payload that are masked, in a small part of JSONPath (RFC 9535). `$` is the payload;
 * `.name`, `['name']`, `[0]`, `.*` and `[*]` go one level down; `..name` and the like go any number of levels down.
 */

export interface RedactionStep {
  /** A member's name, an element's index, or `ANY`. */
  readonly selector: string | number | typeof ANY;
  /** Whether the step selects at every depth below, not only one level down. */
  readonly isDeep: boolean;
  /** The next step; `undefined`: the selected value is masked. */
  readonly next: RedactionStep | undefined;
}

export const ANY = Symbol('any member or element');

/** A parsed path; `first` is `undefined` in `$` alone, which is the whole payload. */
export interface RedactionPath {
  readonly text: string;
  readonly first: RedactionStep | undefined;
}

/** A step: up to two dots, then a name, a star, or brackets around a star, an index or a quoted name. */
const STEP =
  /(\.{0,2})(?:([^\s\p{Cc}.[\]'"*\\]+)|(\*)|\[(?:(\*)|(0|[1-9]\d{0,8})|'((?:[^'\\]|\\['\\])*)'|"((?:[^"\\]|\\["\\])*)")\])/uy;

/** Says why the text is not a redaction path, or `undefined` if it is one. */
export function redactionPathFault(text: string): string | undefined {
  const parsed = parse(text);
  return typeof parsed === 'string' ? parsed : undefined;
}

/** @param text a path without a fault; throws for one with a fault, as it would otherwise mask nothing */
export function parseRedactionPath(text: string): RedactionPath {
  const steps = parse(text);
  if (typeof steps === 'string') throw new TypeError(steps);
  const first = steps.reduceRight<RedactionStep | undefined>(
    (next, { selector, isDeep }) => ({ selector, isDeep, next }),
    undefined,
  );
  return { text, first };
}

type PlainStep = Pick<RedactionStep, 'selector' | 'isDeep'>;

/** The steps, or what is wrong. */
function parse(text: string): PlainStep[] | string {
  const named = `redaction path ${quote(text)}`;
  if (text.length > REDACTION_PATH_LENGTH_MAX) {
    return `${named} is longer than ${REDACTION_PATH_LENGTH_MAX} characters`;
  }
  if (!text.startsWith('$')) return `${named} does not start with "$"`;
  const steps: PlainStep[] = [];
  for (let at = 1; at < text.length; ) {
    STEP.lastIndex = at;
    const step = stepOf(STEP.exec(text));
    if (step === undefined) return `${named} is not understood at offset ${at}`;
    steps.push(step);
    at = STEP.lastIndex;
  }
  if (steps.length <= REDACTION_PATH_STEPS_MAX) return steps;
  return `${named} has ${steps.length} steps; ${REDACTION_PATH_STEPS_MAX} is the limit`;
}

function stepOf(match: RegExpExecArray | null): PlainStep | undefined {
  if (match === null) return undefined;
  const [, lead, name, star, bracketStar, index, single, double] = match;
  const isBare = name !== undefined || star !== undefined;
  // `.name`, `..name`, `[0]`, `..[0]`; not `name` without a dot, and not `.[0]`.
  if (isBare ? lead === '' : lead === '.') return undefined;
  const quoted = (single ?? double)?.replace(/\\(.)/g, '$1');
  const selector =
    (star ?? bracketStar) !== undefined ? ANY : index !== undefined ? Number(index) : name;
  return { selector: selector ?? quoted ?? '', isDeep: lead === '..' };
}
