import { type OutputUnit, type SchemaDraft, Validator } from '@cfworker/json-schema';
import { SCHEMA_CHECK_LENGTH_MAX, SCHEMA_FAULTS_MAX } from './bounds.js';
import type { JsonSchema } from './example.js';

/**
 * Where a payload does not fit the JSON Schemas of its topic, in words. A help as a person types: a schema says less
 * than the validator that it was made from, so the check decides nothing. Pure.
 */
export interface SchemaCheck {
  /** The first ones, such as `payload.total: 0 is less than 1.` */
  readonly faults: readonly string[];
  /** How many more there are. */
  readonly more: number;
  /** Why the payload was not checked against all of them. */
  readonly unchecked: string | undefined;
}

const FITS: SchemaCheck = { faults: [], more: 0, unchecked: undefined };

/** @param text the payload, which has to be JSON */
export function checkPayload(schemas: readonly JsonSchema[], text: string): SchemaCheck {
  if (schemas.length === 0) return FITS;
  if (text.length > SCHEMA_CHECK_LENGTH_MAX) {
    const most = SCHEMA_CHECK_LENGTH_MAX.toLocaleString('en-US');
    return { ...FITS, unchecked: `a payload of more than ${most} characters is not checked here` };
  }
  const payload: unknown = JSON.parse(text);
  const faults = new Set<string>();
  let unchecked: string | undefined;
  for (const schema of schemas) {
    try {
      for (const fault of faultsOf(schema, payload)) faults.add(fault);
    } catch (error) {
      // A reference that leads out of the schema, a pattern that is none, a schema that is its own part.
      const reason = error instanceof Error ? error.message : String(error);
      unchecked = `the schema cannot be read here: ${reason.split('\n', 1)[0]}`;
    }
  }
  const all = [...faults];
  return {
    faults: all.slice(0, SCHEMA_FAULTS_MAX),
    more: Math.max(0, all.length - SCHEMA_FAULTS_MAX),
    unchecked,
  };
}

function faultsOf(schema: JsonSchema, payload: unknown): readonly string[] {
  const { errors } = new Validator(schema, draftOf(schema), false).validate(payload);
  const alternatives = errors.filter(({ keyword }) => keyword === 'anyOf' || keyword === 'oneOf');
  return errors
    .filter(({ keyword }) => !WRAPPERS.has(keyword))
    .filter((error) => !alternatives.some((one) => isWithin(error, one)))
    .map((error) => `${pathOf(error, payload)}: ${sentenceOf(error)}`);
}

/** Keywords whose own messages say only that one below has told of a fault. */
const WRAPPERS: ReadonlySet<string> = new Set([
  '$ref',
  '$recursiveRef',
  '$dynamicRef',
  'additionalItems',
  'additionalProperties',
  'allOf',
  'dependentSchemas',
  'else',
  'if',
  'items',
  'patternProperties',
  'prefixItems',
  'properties',
  'then',
  'unevaluatedItems',
  'unevaluatedProperties',
]);

/** A fault of one of several alternatives, none of which fits. */
function isWithin(error: OutputUnit, alternative: OutputUnit): boolean {
  return (
    error.keywordLocation.startsWith(`${alternative.keywordLocation}/`) &&
    error.instanceLocation.startsWith(alternative.instanceLocation)
  );
}

const DRAFTS: readonly (readonly [string, SchemaDraft])[] = [
  ['draft-04', '4'],
  ['draft-07', '7'],
  ['2019-09', '2019-09'],
];

function draftOf({ $schema }: JsonSchema): SchemaDraft {
  const named = typeof $schema === 'string' ? $schema : '';
  return DRAFTS.find(([part]) => named.includes(part))?.[1] ?? '2020-12';
}

/** `#/lines/0/two%20words` → `payload.lines[0]."two words"`, as the search of the Stream writes it. */
function pathOf({ instanceLocation }: OutputUnit, payload: unknown): string {
  let path = 'payload';
  let at = payload;
  for (const part of instanceLocation.split('/').slice(1)) {
    const key = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
    if (Array.isArray(at)) path += `[${key}]`;
    else path += /^[\p{L}_$][\p{L}\p{N}_$-]*$/u.test(key) ? `.${key}` : `.${JSON.stringify(key)}`;
    at = typeof at === 'object' && at !== null ? Reflect.get(at, key) : undefined;
  }
  return path;
}

function sentenceOf({ keyword, error }: OutputUnit): string {
  if (keyword === 'false') return 'is not expected here.';
  if (keyword === 'anyOf') return 'fits none of the alternatives.';
  if (keyword === 'type') {
    return error.replace(/^Instance type "(.*?)" is invalid\. Expected (.*)\.$/, TYPE_SENTENCE);
  }
  if (keyword === 'required') {
    return error.replace(/^Instance does not have required property (.*)\.$/, '$1 is missing.');
  }
  return error.replace(/^Instance /, 'the value ');
}

const TYPE_SENTENCE = 'is of the type $1; expected is $2.';
