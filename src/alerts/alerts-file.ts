import { parseAlertRules } from '../protocol/alert-rule.js';
import { alertText } from '../protocol/alert-text.js';
import type { AlertRule } from '../protocol/alerts.js';
import { isKeptObject, type KeptObject, readKept } from '../protocol/kept-object.js';
import { ALERTS_FILE_BYTES_MAX } from '../protocol/limits/alerts.js';
import type { AlertsText } from './watched-bus.js';

/**
 * `alerts.json`: the rules that were set by a call, and which rules were firing, also of those of the options, so that a
 * restart fires none anew.
 */

const FORM = { format: 1, lengthMax: ALERTS_FILE_BYTES_MAX };

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
  return readKept(text, FORM, parse) ?? NOTHING_KEPT;
}

/** @throws BusError */
export function writeAlerts(text: AlertsText, { rules, firing }: KeptAlerts): void {
  const kept = [...firing].map(([name, { since, when }]): [string, object] => [
    name,
    { since: new Date(since).toISOString(), when },
  ]);
  const value = { format: FORM.format, rules, firing: Object.fromEntries(kept) };
  text.write(`${JSON.stringify(value, null, 2)}\n`);
}

export function isStillFiring(rule: AlertRule, kept: KeptFiring | undefined): boolean {
  return kept !== undefined && kept.when === alertText(rule.when);
}

function parse({ rules, firing = {} }: KeptObject): KeptAlerts {
  if (!Array.isArray(rules)) throw new Error('its rules are not a list');
  if (!isKeptObject(firing)) throw new Error('its field "firing" is not an object');
  return {
    rules: parseAlertRules(rules),
    firing: new Map(Object.entries(firing).map(parseFiring)),
  };
}

function parseFiring([name, value]: [string, unknown]): [string, KeptFiring] {
  const { since, when } = isKeptObject(value) ? value : {};
  const at = typeof since === 'string' ? Date.parse(since) : Number.NaN;
  if (Number.isNaN(at) || typeof when !== 'string') {
    throw new Error(`its field "firing" has no time and condition for ${JSON.stringify(name)}`);
  }
  return [name, { since: at, when }];
}
