import { alertText, FIGURE_WORDS } from '../protocol/alert-text.js';
import type { AlertRule, ConsumerFigure } from '../protocol/alerts.js';

/** Sentences about alerts for people. */

/** `no event on orders.* for 5 min: none came for 312 s` */
export function firingText({ when }: AlertRule, value: number | undefined): string {
  return `${alertText(when)}: ${value === undefined ? 'firing' : valueText(when, value)}`;
}

export function resolvedText({ when }: AlertRule, reason: string): string {
  return `${alertText(when)}: resolved, ${reason}`;
}

export function valueText(when: AlertRule['when'], value: number): string {
  switch (when.kind) {
    case 'silence':
      return `none came for ${seconds(value)} s`;
    case 'rate':
      return `${rounded(value)} a second`;
    case 'event':
      return value === 1 ? '1 event' : `${value} events`;
    case 'lag':
      return `${value} events behind`;
    case 'consumer':
      return figureText(when.figure, value);
  }
}

function figureText(figure: ConsumerFigure, value: number): string {
  switch (figure) {
    case 'oldestAgeMs':
      return `the oldest open event is ${seconds(value)} s old`;
    case 'blocked':
      return value === 0 ? 'it is not blocked' : 'it is blocked';
    default:
      return `${value} ${FIGURE_WORDS[figure]}`;
  }
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}

/** Three significant digits, or the whole number. */
function rounded(value: number): number {
  return value >= 100 ? Math.round(value) : Number(value.toPrecision(3));
}
