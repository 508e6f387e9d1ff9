/** Schemas shared by the options of `openBus` and those of an endpoint's calls. */
import { resolve } from 'node:path';
import * as v from 'valibot';
import { type OptionCheck, optionsInvalid, trueOrFalse, wholeNumber } from '../protocol/options.js';
import { quote } from '../protocol/quote.js';
import { schemaFault } from '../protocol/schema-fault.js';
import { patternFault } from '../protocol/topic.js';

export const MEMORY = ':memory:';

/** A schema for a check of `src/protocol/options.ts`, with that check's wording. */
export const checked = <T>(check: OptionCheck) =>
  v.custom<T>(
    (value) => check(value) === undefined,
    ({ input }) => check(input) ?? '',
  );
export const wholeFrom = (least: number, greatest: number) =>
  checked<number>(wholeNumber(least, greatest));
export const yesOrNo = checked<boolean>(trueOrFalse);

export const pattern = v.pipe(
  v.string(),
  v.check(
    (text) => patternFault(text) === undefined,
    (issue) => patternFault(issue.input) ?? 'not a pattern',
  ),
);

/**
 * Resolved now, so that a later `chdir` does not change it for threads and files that are opened later. An absolute
 * path also protects from SQLite's bindings, which trim paths and give some names a meaning of their own.
 */
export const path = v.pipe(
  v.string(),
  v.minLength(1),
  v.check((text) => !text.includes('\0'), 'has a NUL in it'),
  v.transform((text) => (text === MEMORY ? text : resolve(text))),
);

export function isMemory(dir: string): boolean {
  return dir === MEMORY;
}

/** @throws BusError `OPTION_INVALID`, with every fault in `details.faults` */
export function parseWith<S extends v.GenericSchema>(
  schema: S,
  value: unknown,
  call: string,
): v.InferOutput<S> {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const faults = result.issues.map((issue) => ({
    path: v.getDotPath(issue) ?? '',
    message: withValue(schemaFault(issue), issue),
  }));
  throw optionsInvalid(call, faults);
}

/** A fault names the offending value, unless the path has named it or it is a whole object. */
function withValue(message: string, { input, expected }: v.BaseIssue<unknown>): string {
  const value = quote(input);
  const namesValue = expected === 'never' || isPlainObject(input) || message.includes(value);
  return namesValue ? message : `${message}, not ${value}`;
}

function isPlainObject(input: unknown): boolean {
  return typeof input === 'object' && input !== null && !Array.isArray(input);
}
