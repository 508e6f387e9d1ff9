import type { Principal } from '../../auth/principal.js';
import type { ConnectionRates } from '../../auth/rate-limiter.js';
import type { Asker } from '../../endpoint/asker.js';
import type { BusEndpoint } from '../../endpoint/bus-endpoint.js';
import { type ClientLater, internalsOf } from '../../endpoint/internals.js';
import { BusError } from '../../protocol/errors.js';
import type { EventInput } from '../../protocol/event.js';
import { PatternSet } from '../../protocol/pattern-set.js';
import { quote } from '../../protocol/quote.js';
import { assertScheduleOptions } from '../../protocol/schedule-text.js';
import {
  type CancelOptions,
  checkCancel,
  type ScheduledPage,
  type ScheduledQuery,
} from '../../protocol/scheduled.js';
import type { ScheduleInfo, ScheduleOptions, Schedules } from '../../protocol/schedules.js';
import { assertPattern, assertTopic } from '../../protocol/topic.js';
import type { Act, Administrator, Audit } from '../audit.js';
import { permittedEvents } from '../permissions.js';

/** The client on whose behalf a call is made. */
export interface LaterAsker extends Administrator {
  readonly rates: Pick<ConnectionRates, 'query' | 'administer'>;
}

/**
 * What is published later, for the clients of every door: who may publish on a topic may list and cancel what waits for
 * it, and see and change the schedules that publish on it. A gateway has one; one thread uses it.
 */
export class GatewayLater {
  readonly #endpoint: BusEndpoint;
  readonly #audit: Audit;

  constructor(endpoint: BusEndpoint, audit: Audit) {
    this.#endpoint = endpoint;
    this.#audit = audit;
  }

  /**
   * Without a topic, everything that the asker may see.
   * @param turns the turns of its connection
   * @throws BusError `FORBIDDEN`, and as `scheduled` of the bus
   */
  async scheduled(
    { principal, rates }: LaterAsker,
    query: ScheduledQuery,
    turns: Asker,
  ): Promise<ScheduledPage> {
    rates.query();
    const granted = principal.access.publish;
    const { topic = granted } = query;
    const wanted = typeof topic === 'string' ? [topic] : topic;
    assertGranted(principal, wanted);
    if (wanted.length === 0) return { publishes: [] };
    return this.#later.scheduled(turns, { ...query, topic: wanted });
  }

  /** @throws BusError `FORBIDDEN`, `RATE_LIMITED`, and as `cancel` of the bus */
  cancel(asker: LaterAsker, id: string, options: CancelOptions): Promise<boolean> {
    return this.#act('cancelPublish', asker, id, async () => {
      checkCancel(id, options);
      const { topic } = options;
      const granted = asker.principal.access.publish;
      if (topic !== undefined) {
        assertTopic(topic);
        assertGranted(asker.principal, [topic]);
      } else if (granted.length === 0) return false;
      return this.#later.cancel(granted, id, options);
    });
  }

  /**
   * The schedules that the asker may see.
   * @param turns the turns of its connection
   * @throws BusError as `schedules.list` of the bus
   */
  async schedules({ principal, rates }: LaterAsker, turns: Asker): Promise<ScheduleInfo[]> {
    rates.query();
    const all = await this.#schedulesOf(principal, turns).list();
    return all.map((one) => shown(principal, one));
  }

  /** One that the asker may not see is not there. @throws BusError as `schedules.get` of the bus */
  async schedule(
    { principal, rates }: LaterAsker,
    name: string,
  ): Promise<ScheduleInfo | undefined> {
    rates.query();
    const found = await this.#schedulesOf(principal).get(name);
    return found && shown(principal, found);
  }

  /** @throws BusError `SCHEDULE_UNKNOWN`, and as `schedules.next` of the bus */
  async nextTimes(
    { principal, rates }: LaterAsker,
    name: string,
    count: number | undefined,
  ): Promise<string[]> {
    rates.query();
    return this.#schedulesOf(principal).next(name, count);
  }

  /**
   * @param options `ScheduleOptions` as a client sent them, which are checked here
   * @throws BusError `FORBIDDEN`, also where it is there and publishes on another topic; and as `schedules.set`
   */
  set(asker: LaterAsker, name: string, options: unknown): Promise<ScheduleInfo> {
    const { principal } = asker;
    return this.#act('setSchedule', asker, name, async () => {
      assertScheduleOptions(options);
      const allowed = permitted(principal, options);
      return shown(principal, await this.#schedulesOf(principal).set(name, allowed));
    });
  }

  /** @throws BusError `SCHEDULE_UNKNOWN`, and as `schedules.pause` */
  alter(asker: LaterAsker, name: string, kind: 'pause' | 'resume'): Promise<ScheduleInfo> {
    const { principal } = asker;
    return this.#act('alterSchedule', asker, name, async () =>
      shown(principal, await this.#schedulesOf(principal)[kind](name)),
    );
  }

  /** False if there is none that the asker may see. @throws BusError as `schedules.delete` */
  delete(asker: LaterAsker, name: string): Promise<boolean> {
    return this.#act('deleteSchedule', asker, name, () =>
      this.#schedulesOf(asker.principal).delete(name),
    );
  }

  /** Whether a schedule publishes where the asker may is judged in the turn of its change. */
  #schedulesOf(principal: Principal, turns?: Asker): Schedules {
    return this.#later.schedulesOn(principal.access.publish, turns);
  }

  get #later(): ClientLater {
    const later = internalsOf(this.#endpoint)?.later;
    if (later !== undefined) return later;
    throw new BusError('OPTION_INVALID', 'this server publishes nothing later');
  }

  #act<T>(act: Act, asker: LaterAsker, what: string, work: () => Promise<T>): Promise<T> {
    return this.#audit.administer(act, asker, what, async () => {
      asker.rates.administer();
      return work();
    });
  }
}

/** The options with the source that the principal is held to. @throws BusError `FORBIDDEN` */
function permitted(principal: Principal, options: ScheduleOptions): ScheduleOptions {
  const { event } = options;
  // The bus says what is wrong with an event that is none.
  if (typeof event !== 'object' || event === null || typeof event.topic !== 'string')
    return options;
  const [allowed] = permittedEvents(principal, [event as EventInput]);
  return { ...options, event: allowed! };
}

/** @throws BusError `FORBIDDEN`, `PATTERN_INVALID` */
function assertGranted(principal: Principal, patterns: readonly string[]): void {
  const granted = new PatternSet(principal.access.publish);
  for (const pattern of patterns) {
    assertPattern(pattern);
    if (granted.covers(pattern)) continue;
    const message = `${quote(principal.name)} may not publish to ${quote(pattern)}, nor see what waits for it`;
    throw new BusError('FORBIDDEN', message, { details: { pattern: quote(pattern) } });
  }
}

/**
 * The schedule as the principal may see it: with a payload that it could read as an event, and masked as that. Without, it
 * sees what the list of waiting publishes shows.
 */
function shown(principal: Principal, info: ScheduleInfo): ScheduleInfo {
  const { payload, attributes: _, causationId: __, ...fields } = info.event;
  if (!principal.maySubscribe(fields.topic)) return { ...info, event: fields };
  if (!principal.redacts) return info;
  const { name: id, shard } = info;
  const { source = '' } = fields;
  const masked = principal.redact({ ...fields, id, source, shard, timestamp: '', payload });
  return { ...info, event: { ...info.event, payload: masked.payload } };
}
