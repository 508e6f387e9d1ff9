import { alertText, parseAlertText } from './alert-text.js';
import {
  ALERT_SEVERITIES,
  type AlertCondition,
  type AlertRule,
  CONSUMER_FIGURES,
  type ConsumerFigure,
} from './alerts.js';
import { consumerNameFault } from './consumer-definition.js';
import { BusError } from './errors.js';
import { textFault } from './event-fields.js';
import { type ParsedFilter, parseFilter } from './filter.js';
import {
  ALERT_CONDITION_LENGTH_MAX,
  ALERT_DESCRIPTION_LENGTH_MAX,
  ALERT_EVENT_WITHIN_MS,
  ALERT_NAME_LENGTH_MAX,
  ALERT_RATE_MAX,
  ALERT_TIME_MS_MAX,
  ALERT_TIME_MS_MIN,
  ALERTS_MAX,
} from './limits/alerts.js';
import { SUBSCRIPTION_NAME_LENGTH_MAX } from './limits/bus-api.js';
import { nameHint } from './name-hint.js';
import { type OptionCheck, oneOf, trueOrFalse, wholeNumber } from './options.js';
import { quote } from './quote.js';
import { patternFault } from './topic.js';

/**
 * Checks alert rules, completes them with their defaults and freezes them. The first fault of a rule is told, with its
 * place in `details.path`. Any thread, and browsers.
 */

/** The topics on which alerts are published begin so; no rule may watch them, as it would cause what it watches. */
export const ALERT_TOPICS = '$sys.alert';

export function alertTopic(name: string): string {
  return `${ALERT_TOPICS}.${name}`;
}

const NAME = new RegExp(`^[a-z0-9_-]{1,${ALERT_NAME_LENGTH_MAX}}$`);

/** @throws BusError `ALERT_INVALID` */
export function assertAlertName(name: unknown): asserts name is string {
  if (typeof name === 'string' && NAME.test(name)) return;
  const form = `1 to ${ALERT_NAME_LENGTH_MAX} characters of a-z 0-9 _ -`;
  throw invalid('name', `has to be ${form}, not ${quote(name)}`);
}

/**
 * Checks a rule as `setAlert` does.
 *
 * @param input a rule, complete or as it is typed
 * @returns the rule with its defaults, frozen
 * @throws BusError `ALERT_INVALID`, with the place of the first fault in `details.path`, and in `details.at` its offset
 *   in a faulty text of a condition
 */
export function parseAlertRule(input: unknown): AlertRule {
  const given = fieldsOf(input, '', ['name', 'when', 'description', 'severity', 'enabled']);
  const { name, when, description, severity = 'warning', enabled = true } = given;
  assertAlertName(name);
  check('severity', severity, oneOf(ALERT_SEVERITIES));
  check('enabled', enabled, trueOrFalse);
  if (description !== undefined) check('description', description, descriptionFault);
  if (when === undefined) throw invalid('when', 'is missing');
  const rule = {
    name,
    when: parseCondition(typeof when === 'string' ? parseAlertText(when) : when),
    ...(description === undefined ? {} : { description }),
    severity,
    enabled,
  };
  return Object.freeze(rule as AlertRule);
}

/** The rules of an option or a file. @throws BusError `ALERT_INVALID` with `rule`, its index, in the details */
export function parseAlertRules(inputs: readonly unknown[]): AlertRule[] {
  if (inputs.length > ALERTS_MAX) {
    throw new BusError('ALERT_INVALID', `${inputs.length} rules; ${ALERTS_MAX} is the limit`, {
      details: { path: '', limit: ALERTS_MAX },
    });
  }
  const names = new Set<string>();
  return inputs.map((input, rule) => {
    try {
      const parsed = parseAlertRule(input);
      if (names.has(parsed.name)) {
        throw invalid('name', `${quote(parsed.name)} is the name of another rule as well`);
      }
      names.add(parsed.name);
      return parsed;
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
      const details = { ...error.details, rule };
      throw new BusError('ALERT_INVALID', `rule ${rule + 1}: ${error.message}`, { details });
    }
  });
}

/** Whether two rules watch for the same. */
export function isSameCondition(a: AlertCondition, b: AlertCondition): boolean {
  return alertText(a) === alertText(b);
}

const KINDS: Readonly<
  Record<AlertCondition['kind'], readonly [fields: readonly string[], parse: Parse]>
> = {
  silence: [['pattern', 'forMs'], parseSilence],
  rate: [['pattern', 'above', 'overMs'], parseRate],
  event: [['filter', 'withinMs'], parseEvent],
  lag: [['above', 'subscription', 'forMs'], parseLag],
  consumer: [['consumer', 'figure', 'above', 'forMs'], parseConsumer],
};

type Fields = Readonly<Record<string, unknown>>;
type Parse = (fields: Fields) => AlertCondition;

function parseCondition(input: unknown): AlertCondition {
  const { kind } = fieldsOf(input, 'when', undefined);
  check('when.kind', kind, oneOf(Object.keys(KINDS)));
  const [names, parse] = KINDS[kind as AlertCondition['kind']];
  const condition = Object.freeze(parse(fieldsOf(input, 'when', ['kind', ...names])));
  const { length } = JSON.stringify(condition);
  if (length <= ALERT_CONDITION_LENGTH_MAX) return condition;
  const limit = `${ALERT_CONDITION_LENGTH_MAX} is the limit`;
  throw invalid('when', `the condition has ${length} characters as JSON; ${limit}`);
}

const someTime = wholeNumber(ALERT_TIME_MS_MIN, ALERT_TIME_MS_MAX);
const anyTime = wholeNumber(0, ALERT_TIME_MS_MAX);
const anyCount = wholeNumber(0, Number.MAX_SAFE_INTEGER);

function parseSilence({ pattern, forMs }: Fields): AlertCondition {
  checkPattern('when.pattern', pattern);
  check('when.forMs', forMs, someTime);
  return { kind: 'silence', pattern, forMs: forMs as number };
}

function parseRate({ pattern, above, overMs }: Fields): AlertCondition {
  checkPattern('when.pattern', pattern);
  check('when.above', above, rateFault);
  check('when.overMs', overMs, someTime);
  return { kind: 'rate', pattern, above: above as number, overMs: overMs as number };
}

function parseEvent({ filter, withinMs = ALERT_EVENT_WITHIN_MS }: Fields): AlertCondition {
  const parsed = checkedFilter(filter);
  for (const pattern of parsed.topics) checkPattern('when.filter.topics', pattern);
  check('when.withinMs', withinMs, someTime);
  return { kind: 'event', filter: parsed, withinMs: withinMs as number };
}

function parseLag({ above, subscription, forMs = 0 }: Fields): AlertCondition {
  check('when.above', above, anyCount);
  check('when.forMs', forMs, anyTime);
  if (subscription !== undefined) check('when.subscription', subscription, subscriptionFault);
  const named = subscription === undefined ? {} : { subscription: subscription as string };
  return { kind: 'lag', above: above as number, ...named, forMs: forMs as number };
}

function parseConsumer({ consumer, figure, above, forMs = 0 }: Fields): AlertCondition {
  check('when.consumer', consumer, consumerNameFault);
  check('when.figure', figure, oneOf(CONSUMER_FIGURES));
  check('when.forMs', forMs, anyTime);
  const named = { consumer: consumer as string, figure: figure as ConsumerFigure };
  if (figure !== 'blocked') check('when.above', above, anyCount);
  else if (above !== undefined) throw invalid('when.above', 'has no meaning for "blocked"');
  const bound = figure === 'blocked' ? {} : { above: above as number };
  return { kind: 'consumer', ...named, ...bound, forMs: forMs as number };
}

function checkedFilter(filter: unknown): ParsedFilter {
  try {
    return parseFilter(filter);
  } catch (error) {
    if (!(error instanceof BusError)) throw error;
    throw new BusError('ALERT_INVALID', `when.filter: ${error.message}`, {
      details: { path: 'when.filter' },
    });
  }
}

function checkPattern(path: string, pattern: unknown): asserts pattern is string {
  const fault = patternFault(pattern);
  if (fault !== undefined) throw invalid(path, fault);
  if (!reachesAlerts((pattern as string).split('.'))) return;
  const message = `${quote(pattern)} matches topics under ${ALERT_TOPICS}, on which alerts themselves are published`;
  throw invalid(path, message);
}

/** Whether a pattern can match a topic `$sys.alert.NAME`. */
function reachesAlerts(segments: readonly string[]): boolean {
  const alerts = ALERT_TOPICS.split('.');
  const { length } = segments;
  for (const [at, segment] of alerts.entries()) {
    if (at === length) return false;
    const isWildcard = at > 0 && (segments[at] === '*' || segments[at] === '+');
    if (segments[at] !== segment && !isWildcard) return false;
    if (segments[at] === '*' && at === length - 1) return true;
  }
  return length === alerts.length + 1;
}

const rateFault: OptionCheck = (value) =>
  typeof value === 'number' && value >= 0 && value <= ALERT_RATE_MAX
    ? undefined
    : `has to be a number of events a second, from 0 to ${ALERT_RATE_MAX}, not ${quote(value)}`;

const subscriptionFault: OptionCheck = (value) =>
  typeof value === 'string' && value !== '' && value.length <= SUBSCRIPTION_NAME_LENGTH_MAX
    ? undefined
    : `has to be text of 1 to ${SUBSCRIPTION_NAME_LENGTH_MAX} characters, not ${quote(value)}`;

const descriptionFault: OptionCheck = (value) =>
  textFault('text', value, 0, ALERT_DESCRIPTION_LENGTH_MAX);

/** The fields of an object, of which there may be no others. Fields that are `undefined` count as left out. */
function fieldsOf(input: unknown, path: string, known: readonly string[] | undefined): Fields {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw invalid(path, `has to be an object, not ${quote(input)}`);
  }
  for (const name of known === undefined ? [] : Object.keys(input)) {
    if (known!.includes(name)) continue;
    const at = path === '' ? name : `${path}.${name}`;
    throw invalid(at, `is unknown${nameHint(name, known!)}`);
  }
  return input as Fields;
}

function check(path: string, value: unknown, fault: OptionCheck): void {
  const message = value === undefined ? 'is missing' : fault(value);
  if (message !== undefined) throw invalid(path, message);
}

function invalid(path: string, message: string): BusError {
  const place = path === '' ? 'an alert rule' : path;
  return new BusError('ALERT_INVALID', `${place}: ${message}`, { details: { path } });
}
