import type { ErrorData } from './errors.js';
import type { Filter } from './filter.js';

/** Alerts: rules that watch the bus, and what they tell. Types only; `alert-rule.ts` checks rules. */

export const ALERT_SEVERITIES = ['info', 'warning', 'critical'] as const;
export type AlertSeverity = (typeof ALERT_SEVERITIES)[number];

/** Holds while no event comes on a topic that matches. */
export interface SilenceCondition {
  readonly kind: 'silence';
  readonly pattern: string;
  /** How long nothing has to come, ms. */
  readonly forMs: number;
}

/** Holds while more events come, as a mean over a time, than a bound. */
export interface RateCondition {
  readonly kind: 'rate';
  readonly pattern: string;
  /** Events a second. */
  readonly above: number;
  /** The time of the mean, ms. */
  readonly overMs: number;
}

/** Holds from an event that matches until none has matched for a time. */
export interface EventCondition {
  readonly kind: 'event';
  readonly filter: Readonly<Filter>;
  /** How long after the last such event, ms. Default 300,000. */
  readonly withinMs?: number;
}

/** Holds while subscriptions are further behind than a bound. */
export interface LagCondition {
  readonly kind: 'lag';
  /** Events: of all subscriptions together, or of the one furthest behind whose name matches. */
  readonly above: number;
  /** The name of a subscription, in which `*` stands for any text. Default: all subscriptions together. */
  readonly subscription?: string;
  /** How long they have to be behind, ms. Default 0. */
  readonly forMs?: number;
}

/** Figures of a durable consumer, named as in its `info`. */
export const CONSUMER_FIGURES = ['pending', 'inFlight', 'oldestAgeMs', 'dead', 'blocked'] as const;
export type ConsumerFigure = (typeof CONSUMER_FIGURES)[number];

/** Holds while a figure of a durable consumer is over a bound, or the consumer is blocked. */
export interface ConsumerCondition {
  readonly kind: 'consumer';
  /** The name of the consumer. The rule does not fire while there is none of this name. */
  readonly consumer: string;
  readonly figure: ConsumerFigure;
  /** Events, or ms for `oldestAgeMs`; absent for `blocked`, which has no bound. */
  readonly above?: number;
  /** How long it has to be so, ms. Default 0. */
  readonly forMs?: number;
}

export type AlertCondition =
  | SilenceCondition
  | RateCondition
  | EventCondition
  | LagCondition
  | ConsumerCondition;

/** A rule as it is given. */
export interface AlertRuleInput {
  /** 1 to 64 characters of `a-z`, `0-9`, `_` and `-`. */
  readonly name: string;
  /** A condition, or its text such as `no event on orders.* for 5 min`. */
  readonly when: AlertCondition | string;
  /** At most 1024 characters. Default: none. */
  readonly description?: string;
  /** Default `warning`. */
  readonly severity?: AlertSeverity;
  /** False: the rule is kept and watches nothing. Default true. */
  readonly enabled?: boolean;
}

/** A checked rule, complete with its defaults; frozen. */
export interface AlertRule {
  readonly name: string;
  readonly when: AlertCondition;
  readonly description?: string;
  readonly severity: AlertSeverity;
  readonly enabled: boolean;
}

/** The last event that a rule has counted. */
export interface AlertEvent {
  readonly topic: string;
  readonly shard: number;
  /** Absent if the event was ephemeral. */
  readonly sequence?: number;
}

/** A rule and its state. */
export interface AlertInfo extends AlertRule {
  /** The condition as text. */
  readonly text: string;
  /** `config`: given when the bus was opened, and fixed. `stored`: set by a call, and kept in the data directory. */
  readonly origin: 'config' | 'stored';
  /** `pending`: the condition holds, but not for long enough yet. */
  readonly state: 'ok' | 'pending' | 'firing';
  /** Since when the condition holds, RFC 3339; absent in state `ok`. */
  readonly since?: string;
  /**
   * The last measurement: ms without an event, events a second, events within the time, events behind, or the figure of
   * a consumer (1 if it is blocked, otherwise 0). Absent until there is one, and while there is no such consumer.
   */
  readonly value?: number;
  readonly lastEvent?: AlertEvent;
  /**
   * Why the rule cannot be judged now; its state stays as it is. A rule on a consumer that does not exist says so here, and
   * is `ok`.
   */
  readonly fault?: string;
}

/** A rule that began or ceased to fire; the payload of events on `$sys.alert.NAME`. */
export interface AlertTransition {
  readonly rule: AlertRule;
  readonly state: 'firing' | 'resolved';
  /** RFC 3339. */
  readonly at: string;
  /** Since when the condition has held. */
  readonly since: string;
  readonly value?: number;
  /** The measurement before this one. */
  readonly lastValue?: number;
  readonly lastEvent?: AlertEvent;
  /** A sentence for people. */
  readonly text: string;
}

export interface AlertList {
  /** In the order of their names. */
  readonly alerts: readonly AlertInfo[];
  /** The last 100 since the bus was opened, the newest last. */
  readonly transitions: readonly AlertTransition[];
  /** Why the rules that are kept in the data directory could not be read or written. */
  readonly fault?: ErrorData;
}
