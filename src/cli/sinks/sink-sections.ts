import { assertConsumerOptions, consumerNameFault } from '../../protocol/consumer-definition.js';
import type { ConsumerOptions } from '../../protocol/consumers.js';
import { BusError } from '../../protocol/errors.js';
import { CONFIG_SINKS_MAX } from '../../protocol/limits/cli.js';
import { nameHint } from '../../protocol/name-hint.js';
import type { OptionFault } from '../../protocol/options.js';
import { quote } from '../../protocol/quote.js';
import { resolveSecrets } from './secrets.js';
import { MODULE_KIND, SINK_KINDS } from './sink-kinds.js';

/**
 * The sections of `sinks` in the config file. All faults of all sections are found before the server opens its directory,
 * each with its place. A sink's own options are checked by the sink's own check.
 */

export interface SinkSection {
  readonly name: string;
  /** The config file and the section in it, to begin the messages of its faults: `config file FILE: sinks.NAME`. */
  readonly place: string;
  readonly kind: string;
  /** `undefined`: the sink is an outbox, or the app's own, and uses none. */
  readonly consumer: { readonly name: string; readonly options: ConsumerOptions } | undefined;
  /** What becomes of the server if the sink ends with an error. */
  readonly onFailure: 'retry' | 'stop';
  /** The module of a sink of the app's own, or of a projection. */
  readonly module: string | undefined;
  /** Reads the secrets anew. @throws BusError `OPTION_INVALID` if one is gone */
  readonly options: () => Readonly<Record<string, unknown>>;
}

/** A section's name is a segment of a topic, and a label of metrics. */
const NAME = /^[A-Za-z0-9_-]{1,64}$/;
const KINDS = [...Object.keys(SINK_KINDS), MODULE_KIND];
/** Stands for the consumer where options are checked before there is one. */
const SOME_CONSUMER = { name: '', run: () => {}, info: () => {} };

/** The sections, or every fault of them. @param file the config file */
export function parseSinkSections(
  value: unknown,
  file: string,
): { readonly sections: readonly SinkSection[] } | { readonly faults: readonly string[] } {
  if (value === undefined) return { sections: [] };
  if (!isObject(value)) {
    return { faults: [`sinks: is ${quote(value)}, and should be an object of sections`] };
  }
  const faults: string[] = [];
  const entries = Object.entries(value);
  if (entries.length > CONFIG_SINKS_MAX) {
    faults.push(`sinks: has ${entries.length} sections; ${CONFIG_SINKS_MAX} is the limit`);
  }
  const sections = entries.map(([name, section]) => {
    const found: OptionFault[] = [];
    const place = `config file ${file}: sinks.${name}`;
    const parsed = parseSection({ name, place }, section, found);
    for (const { path, message } of found) {
      const within = path.replaceAll(/\[(\d+)\]/g, '.$1');
      faults.push(`sinks.${name}${within === '' ? '' : '.'}${within}: ${message}`);
    }
    return parsed;
  });
  if (faults.length > 0) return { faults };
  return { sections: sections.filter((section) => section !== undefined) };
}

function parseSection(
  { name, place }: Pick<SinkSection, 'name' | 'place'>,
  section: unknown,
  faults: OptionFault[],
): SinkSection | undefined {
  if (!NAME.test(name)) {
    faults.push({ path: '', message: 'a name has 1 to 64 characters of A-Z a-z 0-9 _ -' });
    return undefined;
  }
  if (!isObject(section)) {
    faults.push({ path: '', message: `is ${quote(section)}, and should be an object` });
    return undefined;
  }
  const { kind, onFailure = 'retry', consumer, module, ...own } = section;
  if (!KINDS.includes(String(kind))) {
    faults.push({ path: 'kind', message: `is ${quote(kind)}, and should be ${listed(KINDS)}` });
  }
  if (onFailure !== 'retry' && onFailure !== 'stop') {
    const message = `is ${quote(onFailure)}, and should be "retry" or "stop"`;
    faults.push({ path: 'onFailure', message });
  }
  const isModule = kind === MODULE_KIND;
  const known = Object.hasOwn(SINK_KINDS, String(kind)) ? SINK_KINDS[String(kind)] : undefined;
  const hasModule = isModule || known?.hasModule === true;
  const parsed =
    known?.hasConsumer === false
      ? refuseConsumer(kind, consumer, faults)
      : parseConsumer(name, consumer, isModule, faults);
  if (hasModule) checkModule(module, faults);
  else if (module !== undefined) {
    faults.push({ path: 'module', message: 'goes with the kinds "module" and "project"' });
  }
  if (isModule) checkModuleOptions(own, faults);
  const given = isModule ? (isObject(own.options) ? own.options : {}) : own;
  checkOwn(String(kind), given, faults);
  return {
    ...{ name, place, kind: String(kind), consumer: parsed },
    onFailure: onFailure === 'stop' ? 'stop' : 'retry',
    module: hasModule ? String(module) : undefined,
    options: () => resolved(place, given, isModule ? 'options.' : ''),
  };
}

function parseConsumer(
  section: string,
  value: unknown,
  isOptional: boolean,
  faults: OptionFault[],
): SinkSection['consumer'] {
  if (value === undefined && isOptional) return undefined;
  if (!isObject(value)) {
    const what = value === undefined ? 'is missing' : `is ${quote(value)}`;
    faults.push({ path: 'consumer', message: `${what}, and should be an object` });
    return undefined;
  }
  const { name = section, ...options } = value;
  const fault = consumerNameFault(name);
  if (fault !== undefined) faults.push({ path: 'consumer.name', message: fault });
  if ('update' in options) {
    // The file is what holds, so a definition that has changed is carried out.
    faults.push({ path: 'consumer.update', message: 'is unknown' });
  }
  const checked = checkInto(faults, 'consumer.', () => consumerOptions(options));
  return checked && { name: String(name), options: checked };
}

/** @throws as `parseConsumerOptions` */
function consumerOptions(options: unknown): ConsumerOptions {
  assertConsumerOptions(options);
  return options;
}

function refuseConsumer(kind: unknown, consumer: unknown, faults: OptionFault[]): undefined {
  if (consumer === undefined) return;
  faults.push({ path: 'consumer', message: `does not go with kind ${quote(kind)}` });
}

function checkModule(module: unknown, faults: OptionFault[]): void {
  if (typeof module === 'string' && module !== '') return;
  faults.push({ path: 'module', message: `is ${quote(module)}, and should be a path` });
}

function checkModuleOptions(
  { options, ...others }: Record<string, unknown>,
  faults: OptionFault[],
): void {
  if (options !== undefined && !isObject(options)) {
    faults.push({ path: 'options', message: `is ${quote(options)}, and should be an object` });
  }
  const names = ['kind', 'module', 'consumer', 'options', 'onFailure'];
  for (const path of Object.keys(others)) {
    faults.push({ path, message: `is unknown${nameHint(path, names)}` });
  }
}

function checkOwn(name: string, given: object, faults: OptionFault[]): void {
  const kind = Object.hasOwn(SINK_KINDS, name) ? SINK_KINDS[name] : undefined;
  const isUnavailable = (path: string): boolean => kind?.unavailable.includes(path) === true;
  const usable = Object.entries(given).filter(([path]) => !isUnavailable(path));
  for (const path of Object.keys(given).filter(isUnavailable)) {
    faults.push({ path, message: 'cannot be set in a config file' });
  }
  const unread: OptionFault[] = [];
  const options = resolveSecrets(Object.fromEntries(usable), '', unread);
  const prefix = name === MODULE_KIND ? 'options.' : '';
  for (const { path, message } of unread) faults.push({ path: `${prefix}${path}`, message });
  if (kind === undefined || unread.length > 0) return;
  checkInto(faults, '', () => kind.check({ ...(options as object), consumer: SOME_CONSUMER }));
}

/** The answer of a check; undefined where it throws: then its faults are among the others. */
function checkInto<T>(faults: OptionFault[], prefix: string, check: () => T): T | undefined {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof BusError)) throw error;
    const all = error.details?.faults as readonly OptionFault[] | undefined;
    if (all === undefined) faults.push({ path: prefix.slice(0, -1), message: error.message });
    else for (const { path, message } of all) faults.push({ path: `${prefix}${path}`, message });
    return undefined;
  }
}

function resolved(place: string, given: object, prefix: string): Readonly<Record<string, unknown>> {
  const faults: OptionFault[] = [];
  const options = resolveSecrets(given, '', faults);
  if (faults.length === 0) return options as Record<string, unknown>;
  const text = faults
    .map(({ path, message }) => `${place}.${prefix}${path}: ${message}`)
    .join('; ');
  throw new BusError('OPTION_INVALID', text, { details: { faults } });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function listed(values: readonly string[]): string {
  return `one of ${values.map((value) => `"${value}"`).join(', ')}`;
}
