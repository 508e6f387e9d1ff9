import { matchesPattern, type RetentionRule } from 'millrace/client';
import { bytes, exactDuration, whole } from '../../text/format.js';

/** The limits that hold for a topic, in words. Pure. */
export function retentionText(rules: readonly RetentionRule[], topic: string): string {
  const limits = rules.filter(({ pattern = '*' }) => matchesPattern(pattern, topic)).map(ruleText);
  return limits.length === 0 ? 'for ever' : limits.join(' · ');
}

function ruleText(rule: RetentionRule): string {
  const { pattern = '*', maxAgeMs, maxEvents, maxBytes, keepPerTopic, untilConsumedBy } = rule;
  const limits = [
    ...(maxAgeMs === undefined ? [] : [exactDuration(maxAgeMs)]),
    ...(maxEvents === undefined ? [] : [`${whole(maxEvents)} events`]),
    ...(maxBytes === undefined ? [] : [bytes(maxBytes)]),
    ...(keepPerTopic === undefined ? [] : [keptText(keepPerTopic)]),
    ...(untilConsumedBy === undefined
      ? []
      : [`until consumed by ${untilConsumedBy.join(' and ')}`]),
  ];
  return `${limits.join(', ')} (${pattern})`;
}

function keptText(events: number): string {
  return events === 1
    ? 'the newest event of each topic'
    : `the newest ${whole(events)} events of each topic`;
}
