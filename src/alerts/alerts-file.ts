import { parseAlertRules } from '../protocol/alert-rule.js';
import { alertText } from '../protocol/alert-text.js';
import type { AlertRule } from '../protocol/alerts.js';
import { BusError } from '../protocol/errors.js';
import { ALERTS_FILE_BYTES_MAX } from '../protocol/limits/alerts.js';
import { messageOf } from '../protocol/thrown.js';
import type { AlertsText } from './watched-bus.js';

/**
 * `alerts.json`: the rules that were set by a call, and which rules were firing, also of those of the options, so that a
 * restart fires none anew.
 */

const FORMAT = 1;

export interface KeptAlerts {
  readonly rules: readonly AlertRule[];
  /** By the name of the rule. */
  readonly firing: ReadonlyMap<string, KeptFiring>;
}

export interface KeptFiring {
  /** ms since 1970. */
  readonly since: number;
  /** The text of the condition: another one is not firing. */
  readonly when: string;
}

export const NOTHING_KEPT: KeptAlerts = { rules: [], firing: new Map() };

/** @throws BusError `STORE_CORRUPT` naming the file and its fault, or the error of the system */
export function readAlerts(text: AlertsText): KeptAlerts {
  const json = text.read();
  if (json === undefined) return NOTHING_KEPT;
  try {
    return parse(json);
  } catch (error) {
    const reason = messageOf(error);
    const { file } = text;
    throw new BusError('STORE_CORRUPT', `${file}: ${reason}`, { details: { file, reason } });
  }
}

/** @throws BusError */
export function writeAlerts(text: AlertsText, { rules, firing }: KeptAlerts): void {
  const kept = [...firing].map(([name, { since, when }]): [string, object] => [
    name,
    { since: new Date(since).toISOString(), when },
  ]);
  const value = { format: FORMAT, rules, firing: Object.fromEntries(kept) };
  text.write(`${JSON.stringify(value, null, 2)}\n`);
}

export function isStillFiring(rule: AlertRule, kept: KeptFiring | undefined): boolean {
  return kept !== undefined && kept.when === alertText(rule.when);
}

function parse(json: string): KeptAlerts {
  if (json.length > ALERTS_FILE_BYTES_MAX) {
    throw new Error(`it has ${json.length} characters; ${ALERTS_FILE_BYTES_MAX} is the limit`);
  }
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new Error('it is not JSON');
  }
  if (!isObject(value)) throw new Error('it is not a JSON object');
  const { format, rules, firing = {} } = value;
  if (format !== FORMAT) throw new Error(`its format is ${String(format)}, not ${FORMAT}`);
  if (!Array.isArray(rules)) throw new Error('its rules are not a list');
  if (!isObject(firing)) throw new Error('its field "firing" is not an object');
  return {
    rules: parseAlertRules(rules),
    firing: new Map(Object.entries(firing).map(parseFiring)),
  };
}

function parseFiring([name, value]: [string, unknown]): [string, KeptFiring] {
  const { since, when } = isObject(value) ? value : {};
  const at = typeof since === 'string' ? Date.parse(since) : Number.NaN;
  if (Number.isNaN(at) || typeof when !== 'string') {
    throw new Error(`its field "firing" has no time and condition for ${JSON.stringify(name)}`);
  }
  return [name, { since: at, when }];
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
