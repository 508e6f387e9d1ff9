import { BusError } from './errors.js';
import type { EventInput } from './event.js';
import { TOPIC_DEFINITION_CACHE_TOPICS } from './limits/endpoint.js';
import { quote } from './quote.js';
import { messageOf } from './thrown.js';
import { assertPattern, assertTopic, matchesPattern } from './topic.js';

/**
 * Typed topics: a pattern, and a validator that every payload on a matching topic must satisfy. Any validator that
 * follows Standard Schema (https://standardschema.dev) will do: zod, valibot, arktype.
 *
 * ```ts
 * const orders = defineTopic('orders.*', z.object({ id: z.string(), total: z.number() }));
 *
 * const bus = await openBus({ topics: [orders] });          // from here on, refused unless it fits
 * const payload = { id: '7', total: 3 };
 * await bus.publish(orders.event('orders.created', { type: 'order_created', payload }));
 * for await (const event of bus.subscribe(orders)) console.log(event.payload.total);
 * ```
 *
 * A validator only checks. The payload is stored as it was published, without the validator's defaults and coercions,
 * so a payload has the type of the schema's input. A validator is code and cannot be sent to another thread: a worker
 * that attaches to a bus passes the definitions itself, as the opener does.
 */

/** The part of Standard Schema v1 that is used here. */
export interface StandardSchema<Input = unknown> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult | Promise<SchemaResult>;
    readonly types?: { readonly input: Input; readonly output: unknown } | undefined;
    /** Of a Standard JSON Schema: describes the payloads that fit; may throw. */
    readonly jsonSchema?:
      | { readonly input: (options: { readonly target: string }) => Record<string, unknown> }
      | undefined;
  };
}

export interface SchemaResult {
  /** Absent if the value fits. */
  readonly issues?: readonly SchemaIssue[] | undefined;
}

export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** An issue in `details.issues` of a `PAYLOAD_INVALID`. */
export interface PayloadIssue {
  readonly message: string;
  readonly path: readonly (string | number)[];
}

/** The type of the payloads that fit a schema. */
export type InferPayload<S extends StandardSchema> = NonNullable<S['~standard']['types']>['input'];

/** The type of the payloads that fit a definition. */
export type PayloadOf<D> = D extends TopicDefinition<infer P> ? P : never;

export interface TopicDefinition<P = unknown> {
  readonly pattern: string;
  /**
   * Returns the payload, typed.
   * @throws BusError `PAYLOAD_INVALID` with `details.issues`; `OPTION_INVALID` for a validator that
   *   is asynchronous
   */
  check(payload: unknown): P;
  /**
   * An event for `publish`, its payload typed and checked.
   * @throws BusError as `check`; `TOPIC_INVALID` for a topic that the pattern does not match
   */
  event(topic: string, fields: Omit<EventInput<P>, 'topic'>): EventInput<P>;
  /** The JSON Schema of the payloads, where the validator can tell it. */
  jsonSchema?(): Record<string, unknown> | undefined;
}

/**
 * Makes a typed topic, for the option `topics` of `openBus`, `attachBus` and `connect`, and in the place of a pattern.
 *
 * @param pattern the topics whose payloads are checked
 * @param schema a Standard Schema validator that answers at once: of zod, valibot, arktype
 * @throws BusError `PATTERN_INVALID`, or `OPTION_INVALID` where the schema is no Standard Schema
 */
export function defineTopic<S extends StandardSchema>(
  pattern: string,
  schema: S,
): TopicDefinition<InferPayload<S>> {
  assertPattern(pattern);
  if (!isStandardSchema(schema)) {
    throw new BusError(
      'OPTION_INVALID',
      `the schema of ${quote(pattern)} is ${quote(schema)}, not a Standard Schema validator`,
    );
  }
  return new SchemaTopic<InferPayload<S>>(pattern, schema);
}

/**
 * By its members, not its class, so that definitions of another copy of this module count, such as one in a bundled
 * client.
 */
export function isTopicDefinition(value: unknown): value is TopicDefinition {
  if (typeof value !== 'object' || value === null) return false;
  const { pattern, check } = value as Partial<TopicDefinition>;
  return typeof pattern === 'string' && typeof check === 'function';
}

class SchemaTopic<P> implements TopicDefinition<P> {
  readonly pattern: string;
  readonly #schema: StandardSchema;

  constructor(pattern: string, schema: StandardSchema) {
    this.pattern = pattern;
    this.#schema = schema;
  }

  check(payload: unknown): P {
    const fault = this.#faultOf(payload);
    if (fault === undefined) return payload as P;
    throw fault;
  }

  event(topic: string, fields: Omit<EventInput<P>, 'topic'>): EventInput<P> {
    assertTopic(topic);
    if (!matchesPattern(this.pattern, topic)) {
      const message = `topic ${quote(topic)} is not matched by ${quote(this.pattern)}`;
      throw new BusError('TOPIC_INVALID', message, { details: { topic, pattern: this.pattern } });
    }
    this.check(fields.payload);
    return { ...fields, topic };
  }

  jsonSchema(): Record<string, unknown> | undefined {
    try {
      return this.#schema['~standard'].jsonSchema?.input({ target: 'draft-2020-12' });
    } catch {
      // A validator of what JSON Schema cannot express, such as a function of the user's.
      return undefined;
    }
  }

  /**
   * Says why the payload does not fit, or `undefined`. If the validator throws or returns nonsense, the payload does
   * not fit.
   */
  #faultOf(payload: unknown): BusError | undefined {
    try {
      const result = this.#schema['~standard'].validate(payload);
      if (isThenable(result)) return asynchronous(this.pattern, result);
      return result.issues === undefined ? undefined : misfit(this.pattern, result.issues);
    } catch (cause) {
      const message = `the validator of ${quote(this.pattern)} threw: ${messageOf(cause)}`;
      return new BusError('PAYLOAD_INVALID', message, { cause });
    }
  }
}

/** The definitions that a bus was opened with. Every one that matches a topic must be satisfied. */
export class TopicDefinitions {
  readonly #definitions: TopicDefinition[] = [];
  /** The definitions of topics seen lately, so that a publish does not match patterns again. */
  readonly #byTopic = new Map<string, readonly TopicDefinition[]>();

  constructor(definitions: Iterable<TopicDefinition> = []) {
    for (const definition of definitions) this.add(definition);
  }

  get size(): number {
    return this.#definitions.length;
  }

  add(definition: TopicDefinition): void {
    this.#definitions.push(definition);
    this.#byTopic.clear();
  }

  /** Whether one of the definitions has this pattern. */
  has(pattern: string): boolean {
    return this.#definitions.some((definition) => definition.pattern === pattern);
  }

  /** @throws BusError `PAYLOAD_INVALID` with `details.issues` */
  validate(topic: string, payload: unknown): void {
    if (this.#definitions.length === 0) return;
    const definitions = this.#byTopic.get(topic) ?? this.#find(topic);
    for (let i = 0; i < definitions.length; i++) definitions[i]!.check(payload);
  }

  #find(topic: string): readonly TopicDefinition[] {
    const found = this.#definitions.filter(({ pattern }) => matchesPattern(pattern, topic));
    if (this.#byTopic.size >= TOPIC_DEFINITION_CACHE_TOPICS) {
      // First in, first out: the oldest key of a Map comes first.
      for (const oldest of this.#byTopic.keys()) {
        this.#byTopic.delete(oldest);
        break;
      }
    }
    this.#byTopic.set(topic, found);
    return found;
  }
}

function asynchronous(pattern: string, result: Promise<SchemaResult>): BusError {
  // Keeps a rejection of the promise from being reported as unhandled.
  result.then(undefined, () => undefined);
  return new BusError(
    'OPTION_INVALID',
    `the validator of ${quote(pattern)} answered a promise; it has to be synchronous`,
  );
}

function misfit(pattern: string, found: readonly SchemaIssue[]): BusError {
  const issues = found.map(plainIssue);
  const first = issues[0];
  const where = first === undefined || first.path.length === 0 ? '' : ` at ${first.path.join('.')}`;
  const reason = first === undefined ? '' : `: ${first.message}`;
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : '';
  const message = `the payload does not fit ${quote(pattern)}${where}${reason}${more}`;
  return new BusError('PAYLOAD_INVALID', message, { details: { pattern, issues } });
}

/** An issue in a form that survives JSON and a message to another thread. */
function plainIssue(issue: SchemaIssue): PayloadIssue {
  const path = (issue.path ?? []).map((step) => {
    const key = typeof step === 'object' ? step.key : step;
    return typeof key === 'symbol' ? String(key) : key;
  });
  return { message: issue.message, path };
}

/**
 * Promises of other realms and libraries count too: taken for a result, such a promise would let every payload pass.
 */
function isThenable(result: SchemaResult | Promise<SchemaResult>): result is Promise<SchemaResult> {
  return typeof (result as Partial<Promise<SchemaResult>>).then === 'function';
}

function isStandardSchema(schema: unknown): boolean {
  if ((typeof schema !== 'object' && typeof schema !== 'function') || schema === null) return false;
  const standard = (schema as Partial<StandardSchema>)['~standard'];
  return standard?.version === 1 && typeof standard.validate === 'function';
}
