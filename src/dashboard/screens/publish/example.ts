import { isRecord } from '../../text/is-record.js';
import { EXAMPLE_DEPTH_MAX } from './bounds.js';

/**
 * An example of a value that a JSON Schema describes: its own example or default, or the least that has the required
 * members. It follows references within the schema. An example is a start for a person and may still be refused. Pure.
 */
export type JsonSchema = Readonly<Record<string, unknown>>;

export function exampleOf(schema: JsonSchema): unknown {
  return exampleFor(schema, schema, 0);
}

function exampleFor(given: unknown, root: JsonSchema, depth: number): unknown {
  if (!isRecord(given) || depth > EXAMPLE_DEPTH_MAX) return null;
  const schema = resolved(given, root);
  const { examples, anyOf, oneOf, allOf } = schema;
  if ('const' in schema) return schema.const;
  if ('default' in schema) return schema.default;
  for (const list of [examples, schema.enum]) {
    if (Array.isArray(list) && list.length > 0) return list[0];
  }
  for (const list of [anyOf, oneOf]) {
    if (Array.isArray(list) && list.length > 0) return exampleFor(list[0], root, depth + 1);
  }
  if (Array.isArray(allOf)) return joined(allOf, root, depth);
  return typedValue(schema, root, depth);
}

function typedValue(schema: JsonSchema, root: JsonSchema, depth: number): unknown {
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  if (type === 'object' || isRecord(schema.properties)) return objectOf(schema, root, depth);
  if (type === 'array') return arrayOf(schema, root, depth);
  if (type === 'string') return textOf(schema);
  if (type === 'number' || type === 'integer') return numberOf(schema);
  return type === 'boolean' ? false : null;
}

/** With the required members, or with all if none is required. */
function objectOf(schema: JsonSchema, root: JsonSchema, depth: number): unknown {
  const { properties, required } = schema;
  if (!isRecord(properties)) return {};
  const wanted =
    Array.isArray(required) && required.length > 0 ? required : Object.keys(properties);
  const entries = wanted.map((key) => [
    String(key),
    exampleFor(properties[String(key)], root, depth + 1),
  ]);
  return Object.fromEntries(entries);
}

function arrayOf({ items, prefixItems, minItems }: JsonSchema, root: JsonSchema, depth: number) {
  if (Array.isArray(prefixItems))
    return prefixItems.map((item) => exampleFor(item, root, depth + 1));
  const length = typeof minItems === 'number' ? Math.min(minItems, 3) : 1;
  return Array.from({ length }, () => exampleFor(items, root, depth + 1));
}

function joined(schemas: readonly unknown[], root: JsonSchema, depth: number): unknown {
  const values = schemas.map((schema) => exampleFor(schema, root, depth + 1));
  return values.every(isRecord) ? Object.assign({}, ...values) : values[0];
}

const FORMATS: Readonly<Record<string, string>> = {
  'date-time': '2026-01-31T12:00:00Z',
  date: '2026-01-31',
  time: '12:00:00Z',
  email: 'ada@example.com',
  uri: 'https://example.com/',
  uuid: '00000000-0000-4000-8000-000000000000',
};

function textOf({ format, minLength }: JsonSchema): string {
  const known = typeof format === 'string' ? FORMATS[format] : undefined;
  return known ?? 'x'.repeat(typeof minLength === 'number' ? Math.min(minLength, 100) : 0);
}

function numberOf({ minimum, exclusiveMinimum, maximum }: JsonSchema): number {
  if (typeof minimum === 'number') return minimum;
  if (typeof exclusiveMinimum === 'number') return Math.floor(exclusiveMinimum) + 1;
  return typeof maximum === 'number' ? Math.min(0, maximum) : 0;
}

/** `#/$defs/Name`; a chain of references ends after a few steps. */
function resolved(schema: JsonSchema, root: JsonSchema): JsonSchema {
  let current: unknown = schema;
  for (let step = 0; step < EXAMPLE_DEPTH_MAX; step++) {
    if (!isRecord(current)) return {};
    const { $ref } = current;
    if (typeof $ref !== 'string' || !$ref.startsWith('#')) return current;
    current = $ref
      .slice(1)
      .split('/')
      .filter((part) => part !== '')
      .reduce<unknown>((at, part) => (isRecord(at) ? at[unescaped(part)] : undefined), root);
  }
  return {};
}

/** RFC 6901. */
function unescaped(part: string): string {
  return part.replaceAll('~1', '/').replaceAll('~0', '~');
}
