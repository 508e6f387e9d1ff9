import {
  alertTopic,
  assertAlertName,
  isSameCondition,
  parseAlertRule,
} from '../protocol/alert-rule.js';
import { alertText } from '../protocol/alert-text.js';
import type { AlertInfo, AlertList, AlertRule, AlertTransition } from '../protocol/alerts.js';
import { BusError } from '../protocol/errors.js';
import {
  ALERT_INTERVAL_MS,
  ALERT_TRANSITIONS_KEPT,
  ALERTS_MAX,
} from '../protocol/limits/alerts.js';
import { quote } from '../protocol/quote.js';
import {
  isStillFiring,
  type KeptAlerts,
  type KeptFiring,
  NOTHING_KEPT,
  readAlerts,
  writeAlerts,
} from './alerts-file.js';
import { BusFigures } from './bus-figures.js';
import { WatchedAlert } from './watched-alert.js';
import type { AlertClock, AlertsText, WatchedBus } from './watched-bus.js';

/**
 * The alerts of a bus: keeps the rules, judges them at an interval, and publishes each change. It works in the thread
 * that opened the bus, and only there. Without an enabled rule it does nothing at all.
 */

export const ALERT_TYPES = { firing: 'alert_firing', resolved: 'alert_resolved' } as const;

export class AlertBoard {
  readonly #text: AlertsText | undefined;
  readonly #clock: AlertClock;
  readonly #fixed: readonly AlertRule[];
  readonly #stored = new Map<string, AlertRule>();
  /** The enabled rules. */
  readonly #watched = new Map<string, WatchedAlert>();
  readonly #transitions: AlertTransition[] = [];
  #kept: KeptAlerts = NOTHING_KEPT;
  /** Why the file could not be read: it is not written until it can be. */
  #unread: BusError | undefined;
  /** Why the states could not be written. */
  #unwritten: BusError | undefined;
  #bus: WatchedBus | undefined;
  #figures: BusFigures | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isTimed = true;

  /**
   * @param fixed the rules of the bus's options, which nobody may change
   * @param text where the other rules are kept; undefined: in memory only
   */
  constructor(fixed: readonly AlertRule[], text: AlertsText | undefined, clock: AlertClock) {
    this.#fixed = fixed;
    this.#text = text;
    this.#clock = clock;
    this.#load();
  }

  /** Begins to watch the bus; what is published once this resolves is watched. Never rejects. */
  async start(bus: WatchedBus): Promise<void> {
    this.#bus = bus;
    this.#figures = new BusFigures(bus, this.#clock);
    if (this.#unread !== undefined) bus.report(this.#unread);
    this.#watchAll(this.#kept.firing);
    await this.#figures.answered();
  }

  stop(): void {
    this.judgeByHand();
    this.#bus = undefined;
  }

  /** From now on `evaluate` alone judges the rules, for tests. */
  judgeByHand(): void {
    this.#isTimed = false;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  list(): AlertList {
    const alerts = this.#rules.map((rule) => this.#infoOf(rule));
    const fault = this.#unread ?? this.#unwritten;
    return {
      alerts: alerts.sort((a, b) => (a.name < b.name ? -1 : 1)),
      transitions: [...this.#transitions],
      ...(fault === undefined ? {} : { fault: fault.toJSON() }),
    };
  }

  /**
   * Adds a rule, or replaces the rule of this name; events that come once this resolves are watched.
   * @throws BusError `ALERT_INVALID`, `ALERT_FIXED`, `LIMIT_EXCEEDED`, `STORE_CORRUPT`, `STORE_FULL`, `STORE_FAILED`
   */
  async set(input: unknown): Promise<AlertInfo> {
    const rule = parseAlertRule(input);
    this.#assertMayChange(rule.name);
    // Stored rules that those of the options hide are in the file as well.
    const count = Math.max(this.#rules.length, this.#stored.size);
    if (!this.#stored.has(rule.name) && count >= ALERTS_MAX) {
      const message = `there are ${ALERTS_MAX} alert rules, which is the limit`;
      throw new BusError('LIMIT_EXCEEDED', message, { details: { limit: ALERTS_MAX } });
    }
    this.#keep(new Map(this.#stored).set(rule.name, rule));
    this.#watch(rule, 'stored', undefined);
    await this.#begin();
    return this.#infoOf(rule);
  }

  /** @throws BusError as `set` */
  remove(name: string): { readonly removed: boolean } {
    assertAlertName(name);
    this.#assertMayChange(name);
    const rules = new Map(this.#stored);
    const removed = rules.delete(name);
    if (!removed) return { removed };
    this.#keep(rules);
    this.#unwatch(name, 'the rule was removed');
    void this.#begin();
    return { removed };
  }

  /**
   * Asks the bus for its figures, and judges every rule by them; never rejects. `isWhole`: also waits for shards that owe
   * an answer from before.
   */
  async evaluate(isWhole = true): Promise<void> {
    await this.#figures?.refresh(isWhole);
    this.#judge();
  }

  get #rules(): AlertRule[] {
    const fixed = new Set(this.#fixed.map(({ name }) => name));
    const stored = [...this.#stored.values()].filter(({ name }) => !fixed.has(name));
    return [...this.#fixed, ...stored];
  }

  #infoOf(rule: AlertRule): AlertInfo {
    const watched = this.#watched.get(rule.name);
    if (watched !== undefined) return watched.info();
    const start = { clock: this.#clock, events: 0 };
    return new WatchedAlert(rule, this.#originOf(rule), start).info();
  }

  #originOf(rule: AlertRule): AlertInfo['origin'] {
    return this.#fixed.includes(rule) ? 'config' : 'stored';
  }

  #assertMayChange(name: string): void {
    if (this.#fixed.some((rule) => rule.name === name)) {
      const message = `alert ${quote(name)} is one of the bus's options, where alone it can be changed`;
      throw new BusError('ALERT_FIXED', message, { details: { name } });
    }
    if (this.#unread === undefined) return;
    // The file may have been mended since.
    this.#load();
    if (this.#unread !== undefined) throw this.#unread;
    this.#watchAll(this.#kept.firing);
  }

  #load(): void {
    if (this.#text === undefined) return;
    try {
      this.#kept = readAlerts(this.#text);
      this.#unread = undefined;
      for (const rule of this.#kept.rules) this.#stored.set(rule.name, rule);
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
      this.#unread = error;
    }
  }

  /** Writes the rules, and only then takes them. @throws BusError */
  #keep(rules: ReadonlyMap<string, AlertRule>): void {
    this.#write([...rules.values()]);
    this.#stored.clear();
    for (const [name, rule] of rules) this.#stored.set(name, rule);
  }

  #write(rules: readonly AlertRule[]): void {
    const firing = new Map<string, KeptFiring>();
    for (const [name, { isFiring, since, rule }] of this.#watched) {
      if (isFiring) firing.set(name, keptFiring(rule, since));
    }
    const kept = { rules, firing };
    if (this.#text !== undefined) writeAlerts(this.#text, kept);
    this.#unwritten = undefined;
    this.#kept = kept;
  }

  #watchAll(firing: KeptAlerts['firing']): void {
    for (const rule of this.#rules) {
      if (this.#watched.has(rule.name)) continue;
      const kept = firing.get(rule.name);
      this.#watch(rule, this.#originOf(rule), isStillFiring(rule, kept) ? kept : undefined);
    }
    void this.#begin();
  }

  #watch(rule: AlertRule, origin: AlertInfo['origin'], firing: KeptFiring | undefined): void {
    const known = this.#watched.get(rule.name);
    if (known !== undefined && rule.enabled && isSameCondition(known.rule.when, rule.when)) {
      known.describe(rule);
      return;
    }
    const reason = rule.enabled ? 'the rule was changed' : 'the rule was disabled';
    this.#unwatch(rule.name, reason);
    if (!rule.enabled) return;
    const clock = this.#clock;
    const firingSince =
      firing && Math.min(clock.elapsedMs(), clock.elapsedMs() - (clock.now() - firing.since));
    const events = this.#figures?.eventsOf(rule.when) ?? 0;
    this.#watched.set(rule.name, new WatchedAlert(rule, origin, { clock, events, firingSince }));
  }

  #unwatch(name: string, reason: string): void {
    const watched = this.#watched.get(name);
    if (watched === undefined) return;
    this.#watched.delete(name);
    const transition = watched.end(reason);
    if (transition !== undefined) this.#publish([transition]);
  }

  /** Lets the shards count for the rules as they are now. */
  async #begin(): Promise<void> {
    this.#schedule();
    await this.evaluate();
  }

  #schedule(): void {
    const watches = [...this.#watched.values()].map(({ watch }) => watch);
    this.#figures?.watch(watches);
    if (this.#isTimed && watches.length > 0) {
      this.#timer ??= setInterval(() => void this.evaluate(false), ALERT_INTERVAL_MS).unref();
      return;
    }
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #judge(): void {
    const figures = this.#figures;
    if (figures === undefined || this.#bus === undefined) return;
    const read = figures.read();
    const transitions: AlertTransition[] = [];
    for (const watched of this.#watched.values()) {
      watched.note(figures.faultOf(watched.watch));
      const transition = figures.isKnown(watched.watch) ? watched.judge(read) : undefined;
      if (transition !== undefined) transitions.push(transition);
    }
    if (transitions.length > 0) this.#publish(transitions);
  }

  #publish(transitions: readonly AlertTransition[]): void {
    this.#transitions.push(...transitions);
    this.#transitions.splice(0, this.#transitions.length - ALERT_TRANSITIONS_KEPT);
    this.#keepStates();
    for (const transition of transitions) {
      const { rule, state } = transition;
      this.#bus?.publish(alertTopic(rule.name), ALERT_TYPES[state], transition);
    }
  }

  /** Writes which rules fire. A failure is reported, and the rules go on: only a restart would fire them anew. */
  #keepStates(): void {
    if (this.#unread !== undefined) return;
    try {
      this.#write([...this.#stored.values()]);
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
      if (this.#unwritten === undefined) this.#bus?.report(error);
      this.#unwritten = error;
    }
  }
}

function keptFiring(rule: AlertRule, since: number): KeptFiring {
  return { since, when: alertText(rule.when) };
}
