import {
  type AlertInfo,
  alertText,
  BusError,
  parseAlertRule,
  parseAlertText,
} from 'millrace/client';
import { compact, counted, duration } from '../../text/format.js';

/** Alerts in words, and the check of a rule as it is typed. Pure. */

/** The last measurement of a rule. */
export function valueText({ when, value }: AlertInfo): string {
  if (value === undefined) return 'nothing measured yet';
  switch (when.kind) {
    case 'silence':
      return value === 0 ? 'an event just came' : `none for ${duration(value)}`;
    case 'rate':
      return `${compact(value)}/s`;
    case 'event':
      return value === 0 ? 'no event' : counted(value, 'event');
    case 'lag':
      return `${counted(value, 'event')} behind`;
    case 'consumer':
      return figureText(when.figure, value);
  }
}

type ConsumerFigure = Extract<AlertInfo['when'], { kind: 'consumer' }>['figure'];

function figureText(figure: ConsumerFigure, value: number): string {
  switch (figure) {
    case 'pending':
      return `${counted(value, 'event')} pending`;
    case 'inFlight':
      return `${counted(value, 'event')} in flight`;
    case 'oldestAgeMs':
      return value === 0 ? 'no open event' : `the oldest open for ${duration(value)}`;
    case 'dead':
      return `${counted(value, 'event')} dead`;
    case 'blocked':
      return value === 0 ? 'not blocked' : 'blocked';
  }
}

/** What a person has typed into the form. */
export interface Draft {
  readonly name: string;
  readonly when: string;
  readonly description: string;
  readonly severity: AlertInfo['severity'];
  readonly enabled: boolean;
}

export const NEW_DRAFT: Draft = {
  name: '',
  when: '',
  description: '',
  severity: 'warning',
  enabled: true,
};

export function draftOf({ name, text, description = '', severity, enabled }: AlertInfo): Draft {
  return { name, when: text, description, severity, enabled };
}

export function inputOf({ description, ...draft }: Draft) {
  return { ...draft, ...(description === '' ? {} : { description }) };
}

export interface Fault {
  readonly field: 'name' | 'when' | 'description';
  readonly message: string;
  /** Where in the text of the condition the fault is; absent where it is not one of its form. */
  readonly at?: number;
}

/** A name that the draft may carry while its other fields are checked. */
const SOME_NAME = 'name';

/** The faults of the fields that are not empty. `taken`: names that a new rule would replace. */
export function faultsOf(draft: Draft, taken: readonly string[] = []): Fault[] {
  const { name, when, description } = draft;
  if (taken.includes(name)) {
    const message = 'There is a rule of this name, which this one would replace.';
    return [{ field: 'name', message }, ...faultsOf({ ...draft, name: '' })];
  }
  const checks: Draft[] = [
    ...(name === '' ? [] : [{ ...NEW_DRAFT, name, when: 'lag over 0' }]),
    ...(when.trim() === '' ? [] : [{ ...NEW_DRAFT, name: SOME_NAME, when }]),
    ...(description === ''
      ? []
      : [{ ...NEW_DRAFT, name: SOME_NAME, when: 'lag over 0', description }]),
  ];
  return checks.flatMap((one) => faultOf(one) ?? []);
}

/** The condition as the server keeps it, where that differs from the text; undefined for a faulty one. */
export function understood(when: string): string | undefined {
  try {
    const text = alertText(parseAlertText(when));
    return text === when.trim() ? undefined : text;
  } catch {
    return undefined;
  }
}

function faultOf(draft: Draft): Fault | undefined {
  try {
    parseAlertRule(inputOf(draft));
    return undefined;
  } catch (error) {
    if (!(error instanceof BusError)) throw error;
    const { path = '', at } = error.details as { readonly path?: string; readonly at?: number };
    const [field = ''] = path.split('.');
    // The message begins with the place of the fault, which the form shows by the field.
    const message = error.message.replace(/^[a-zA-Z.]+: /, '');
    return {
      field: field === 'name' || field === 'description' ? field : 'when',
      message,
      ...(at === undefined ? {} : { at }),
    };
  }
}
