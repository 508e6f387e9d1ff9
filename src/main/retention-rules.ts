import type { RetentionRule } from '../protocol/bus-api.js';
import type { ParsedBusOptions } from './bus-options.js';

type Rule = ParsedBusOptions['retention'][number];

/** A rule as `stats` tells it: only the limits that it has. */
export function ruleOf(rule: Rule): RetentionRule {
  return shareOf(rule, 1);
}

/** A shard's share of a retention rule, whose limits are for the whole bus. */
export function shareOf(rule: Rule, shards: number): RetentionRule {
  const { pattern, maxAgeMs, maxEvents, maxBytes, keepPerTopic, untilConsumedBy } = rule;
  return {
    pattern,
    ...(maxAgeMs === undefined ? {} : { maxAgeMs }),
    ...(maxEvents === undefined ? {} : { maxEvents: Math.ceil(maxEvents / shards) }),
    ...(maxBytes === undefined ? {} : { maxBytes: Math.ceil(maxBytes / shards) }),
    // A topic is in one shard.
    ...(keepPerTopic === undefined ? {} : { keepPerTopic }),
    ...(untilConsumedBy === undefined ? {} : { untilConsumedBy: [...untilConsumedBy] }),
  };
}
