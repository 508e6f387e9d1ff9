import type { AlertInfo, AlertList, AlertRuleInput } from '../protocol/alerts.js';
import type { BusStats, SubscriberInfo, TopicInfo } from '../protocol/bus-api.js';
import type {
  AccessInfo,
  BackupResult,
  ConnectionList,
  DefinitionInfo,
  Figures,
  FiguresOptions,
  PruneResult,
  PruneSelection,
} from '../protocol/operations.js';
import {
  type CancelOptions,
  checkCancel,
  type ScheduledPage,
  type ScheduledQuery,
} from '../protocol/scheduled.js';
import type { Schedules } from '../protocol/schedules.js';
import { NO_SINKS } from '../protocol/sink-list.js';
import type { AnsweredType } from '../protocol/wire.js';
import { ClientSchedules } from './client-schedules.js';
import type { Answer, Requests } from './requests.js';

/**
 * The calls of a client that look after the bus: its lists and figures, and the acts of administrators. Where the
 * server asks for a token, most of them need an `admin` grant and are refused with `FORBIDDEN` without it.
 */
export abstract class OperationsClient {
  /** @throws BusError if the client is closed or has failed */
  protected abstract requests(): Requests;

  /** What the server's bus publishes again and again. */
  readonly schedules: Schedules = new ClientSchedules(() => this.requests());

  async scheduled(query: ScheduledQuery = {}): Promise<ScheduledPage> {
    return (await this.#ask('scheduled', query)).scheduled!;
  }

  /** Sent once: if the connection is lost before the answer comes, the publish may be cancelled or not. */
  async cancel(id: string, options: CancelOptions = {}): Promise<boolean> {
    checkCancel(id, options);
    return (await this.#order('cancel', { ...options, id })).cancelled === true;
  }

  async subscribers(topic?: string): Promise<SubscriberInfo[]> {
    const { subscribers = [] } = await this.#ask('subscribers', { topic });
    return [...subscribers];
  }

  async topics(pattern?: string): Promise<TopicInfo[]> {
    const { topics = [] } = await this.#ask('topics', { pattern });
    // A server does not sort long lists.
    return [...topics].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async stats(): Promise<BusStats> {
    // A server of before there were figures of sinks tells none.
    const stats = (await this.#ask('stats', {})).stats!;
    return { ...stats, sinks: stats.sinks ?? NO_SINKS };
  }

  /**
   * What this client may do: the patterns that its token grants.
   *
   * @returns the principal's name, and the patterns to which it may publish, subscribe and which it may administer
   * @throws BusError `TIMEOUT`, `CONNECTION_FAILED`, `BUS_CLOSED`
   */
  async access(): Promise<AccessInfo> {
    return (await this.#ask('access', {})).access!;
  }

  /**
   * The time by the server's clock, by which it stamps events. It needs no grant.
   *
   * @returns the time at which the server answered
   * @throws BusError `TIMEOUT`, `CONNECTION_FAILED`, `BUS_CLOSED`
   */
  async serverTime(): Promise<Date> {
    return new Date((await this.#ask('ping', {})).time);
  }

  /**
   * The topics that the server's bus was opened with, as far as this client may publish to them.
   *
   * @returns each pattern, and the JSON Schema of its payloads where the validator offers one
   * @throws BusError `TIMEOUT`, `CONNECTION_FAILED`, `BUS_CLOSED`
   */
  async definitions(): Promise<DefinitionInfo[]> {
    const { definitions = [] } = await this.#ask('definitions', {});
    return [...definitions];
  }

  /**
   * The rates, times and sizes of the bus over the last 15 minutes, a sample every 2 s. The gateway has taken them since
   * its start, whether anybody asked or not.
   *
   * @param options `after`: the `at` of a sample; only later ones are answered. Default: all
   * @throws BusError `FORBIDDEN`, `TIMEOUT`, `CONNECTION_FAILED`, `BUS_CLOSED`
   */
  async figures(options: FiguresOptions = {}): Promise<Figures> {
    return (await this.#ask('figures', options)).figures!;
  }

  /**
   * The connections of all gateways of the bus, WebSockets and streams, this client's own included.
   *
   * @returns the oldest first, and whether every gateway has answered
   * @throws BusError `FORBIDDEN`, `TIMEOUT`, `CONNECTION_FAILED`, `BUS_CLOSED`
   */
  async connections(): Promise<ConnectionList> {
    const { connections = [], complete = false } = await this.#ask('connections', {});
    return { connections, complete };
  }

  /**
   * Cuts a connection of any gateway. Its client is told why, and may connect again; a client of this package does so by
   * itself.
   *
   * @param id as `connections` tells it
   * @returns `disconnected`: false if there is no such connection
   * @throws BusError `FORBIDDEN`, `RATE_LIMITED`; `TIMEOUT` also where a gateway that may have it has not answered;
   *   `CONNECTION_FAILED`, `BUS_CLOSED`
   */
  async disconnect(id: string): Promise<{ disconnected: boolean }> {
    const { disconnected = false } = await this.#order('disconnect', { id });
    return { disconnected };
  }

  /**
   * The rules that watch the bus, each with its state, and the last changes.
   *
   * @throws BusError `FORBIDDEN`, `TIMEOUT`, `CONNECTION_FAILED`, `BUS_CLOSED`
   */
  async alerts(): Promise<AlertList> {
    return (await this.#ask('alerts', {})).alerts!;
  }

  /**
   * Adds a rule that watches the bus, or replaces the rule of this name. The last of several clients wins; so it is sent
   * once: a repeat might come behind what another client has set since. If the connection is lost before the answer
   * comes, the rule may be set or not, as `alerts` tells.
   *
   * @param rule what it watches for: `{ name: 'quiet', when: 'no event on orders.* for 5 min' }`
   * @returns the rule and its state, once every later event is watched
   * @throws BusError `ALERT_INVALID`, `ALERT_FIXED` for a rule of the server's configuration, `LIMIT_EXCEEDED`,
   *   `FORBIDDEN`, `STORE_CORRUPT`, `STORE_FULL`, `STORE_FAILED`, `RATE_LIMITED`, `TIMEOUT` without a connection,
   *   `CONNECTION_FAILED`, `BUS_CLOSED`
   */
  async setAlert(rule: AlertRuleInput): Promise<AlertInfo> {
    return (await this.#order('setAlert', { rule })).alert!;
  }

  /** Removes a rule; false if there is none. Sent once, as `setAlert`. @throws BusError as `setAlert` */
  async removeAlert(name: string): Promise<{ readonly removed: boolean }> {
    return (await this.#order('removeAlert', { name })).removedAlert!;
  }

  /**
   * Removes the oldest events that match from the server's log. Sent once: if the connection is lost before the answer
   * comes, the events may be gone or not.
   *
   * @param selection which events go: one of `before`, `maxEvents` and `maxBytes` is needed
   * @returns once they are gone, however long that takes
   * @throws BusError `OPTION_INVALID`, `PATTERN_INVALID`, `FORBIDDEN`, `RATE_LIMITED`, `STORE_FAILED`, `TIMEOUT` without
   *   a connection, `CONNECTION_FAILED`, `BUS_CLOSED`
   */
  async prune(selection: PruneSelection): Promise<PruneResult> {
    return (await this.#order('prune', selection)).pruned!;
  }

  /**
   * Copies the server's directory into another one of the server's machine. Sent once: if the connection is lost before
   * the answer comes, the copy may be made or not.
   *
   * @param dir an absolute path on the server's machine; the directory must be empty or absent
   * @returns once the copy is complete, however long that takes
   * @throws BusError `OPTION_INVALID`, `FORBIDDEN`, `RATE_LIMITED`, `LIMIT_EXCEEDED` while another backup runs,
   *   `STORE_FULL`, `STORE_FAILED`, `TIMEOUT` without a connection, `CONNECTION_FAILED`, `BUS_CLOSED`
   */
  async backup(dir: string): Promise<BackupResult> {
    return (await this.#order('backup', { dir })).backup!;
  }

  #ask<T extends AnsweredType>(type: T, payload: object): Promise<Answer<T>> {
    return this.requests().ask(type, JSON.stringify(payload));
  }

  #order<T extends AnsweredType>(type: T, payload: object): Promise<Answer<T>> {
    return this.requests().order(type, JSON.stringify(payload));
  }
}
