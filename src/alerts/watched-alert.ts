import { alertText } from '../protocol/alert-text.js';
import type { AlertEvent, AlertInfo, AlertRule, AlertTransition } from '../protocol/alerts.js';
import { type AlertStatus, nextStatus } from './alert-state.js';
import { firingText, resolvedText, valueText } from './alert-texts.js';
import type { Figures, Watch } from './watch.js';
import type { AlertClock } from './watched-bus.js';
import { lastEventOf, watchOf } from './watches.js';

export type Origin = AlertInfo['origin'];

export interface AlertStart {
  readonly clock: AlertClock;
  /** How many events the filter of the rule has matched so far. */
  readonly events: number;
  /** Since when it has been firing, by the clock's elapsed time; undefined if it is not. */
  readonly firingSince?: number | undefined;
}

/** One rule with its state. */
export class WatchedAlert {
  readonly origin: Origin;
  readonly watch: Watch;
  readonly #clock: AlertClock;
  #rule: AlertRule;
  #status: AlertStatus;
  #value: number | undefined;
  #lastEvent: AlertEvent | undefined;
  #fault: string | undefined;

  constructor(rule: AlertRule, origin: Origin, { clock, events, firingSince }: AlertStart) {
    const now = clock.elapsedMs();
    const isFiring = firingSince !== undefined;
    this.origin = origin;
    this.watch = watchOf(rule.when, { now, events, firingSince });
    this.#clock = clock;
    this.#rule = rule;
    this.#status = isFiring ? { state: 'firing', since: firingSince } : { state: 'ok', since: now };
  }

  get rule(): AlertRule {
    return this.#rule;
  }

  get isFiring(): boolean {
    return this.#status.state === 'firing';
  }

  /** ms since 1970. */
  get since(): number {
    return this.#clock.now() - (this.#clock.elapsedMs() - this.#status.since);
  }

  /** Says what is wrong with the figures by which the rule is judged. */
  note(fault: string | undefined): void {
    this.#fault = fault;
  }

  /** Takes another description or severity, and goes on. */
  describe(rule: AlertRule): void {
    this.#rule = rule;
  }

  /** Judges the rule; returns the change if it began or ceased to fire. */
  judge(figures: Figures): AlertTransition | undefined {
    const { watch } = this;
    const reading = watch.read(figures);
    if (reading === undefined) return undefined;
    const lastValue = this.#value;
    this.#value = reading.value;
    this.#lastEvent = lastEventOf(watch, figures);
    const before = this.#status;
    const status = nextStatus(before, reading, watch.forMs, figures.now);
    const since = before.state === 'firing' ? this.since : undefined;
    this.#status = status;
    const isFiring = status.state === 'firing';
    if (isFiring === (before.state === 'firing')) return undefined;
    if (isFiring) return this.#changed('firing', firingText(this.#rule, reading.value), lastValue);
    return this.#changed('resolved', resolvedText(this.#rule, this.#reason()), lastValue, since);
  }

  /** Ends the rule; returns the change if it was firing. */
  end(reason: string): AlertTransition | undefined {
    if (!this.isFiring) return undefined;
    return this.#changed('resolved', resolvedText(this.#rule, reason), undefined);
  }

  info(): AlertInfo {
    const { state } = this.#status;
    const fault = this.#fault;
    return {
      ...this.#rule,
      text: alertText(this.#rule.when),
      origin: this.origin,
      state,
      ...(state === 'ok' ? {} : { since: timeOf(this.since) }),
      ...this.#measured(),
      ...(fault === undefined ? {} : { fault }),
    };
  }

  /** By which measurement the rule ceased to fire, or why there is none. */
  #reason(): string {
    if (this.#value !== undefined) return valueText(this.#rule.when, this.#value);
    return this.#fault ?? 'there is nothing to measure';
  }

  #changed(
    state: AlertTransition['state'],
    text: string,
    lastValue: number | undefined,
    since = this.since,
  ): AlertTransition {
    return {
      rule: this.#rule,
      state,
      at: timeOf(this.#clock.now()),
      since: timeOf(since),
      ...this.#measured(),
      ...(lastValue === undefined ? {} : { lastValue }),
      text,
    };
  }

  #measured(): Pick<AlertInfo, 'value' | 'lastEvent'> {
    const value = this.#value;
    const lastEvent = this.#lastEvent;
    return {
      ...(value === undefined ? {} : { value }),
      ...(lastEvent === undefined ? {} : { lastEvent }),
    };
  }
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
