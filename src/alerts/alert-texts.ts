import { alertText } from '../protocol/alert-text.js';
import type { AlertRule } from '../protocol/alerts.js';

/** Sentences about alerts for people. */

/** `no event on orders.* for 5 min: none came for 312 s` */
export function firingText({ when }: AlertRule, value: number | undefined): string {
  return `${alertText(when)}: ${value === undefined ? 'firing' : valueText(when.kind, value)}`;
}

export function resolvedText({ when }: AlertRule, reason: string): string {
  return `${alertText(when)}: resolved, ${reason}`;
}

export function valueText(kind: AlertRule['when']['kind'], value: number): string {
  switch (kind) {
    case 'silence':
      return `none came for ${seconds(value)} s`;
    case 'rate':
      return `${rounded(value)} a second`;
    case 'event':
      return value === 1 ? '1 event' : `${value} events`;
    case 'lag':
      return `${value} events behind`;
  }
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}

/** Three significant digits, or the whole number. */
function rounded(value: number): number {
  return value >= 100 ? Math.round(value) : Number(value.toPrecision(3));
}
