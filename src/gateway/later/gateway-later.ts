import type { Principal } from '../../auth/principal.js';
import type { ConnectionRates } from '../../auth/rate-limiter.js';
import type { BusEndpoint } from '../../endpoint/bus-endpoint.js';
import { BusError } from '../../protocol/errors.js';
import type { EventInput } from '../../protocol/event.js';
import { PatternSet } from '../../protocol/pattern-set.js';
import { quote } from '../../protocol/quote.js';
import {
  type CancelOptions,
  checkCancel,
  type ScheduledPage,
  type ScheduledQuery,
  severalWait,
} from '../../protocol/scheduled.js';
import type { ScheduleInfo, ScheduleOptions } from '../../protocol/schedules.js';
import { assertPattern, assertTopic } from '../../protocol/topic.js';
import type { Act, Administrator, Audit } from '../audit.js';
import { permittedEvents } from '../permissions.js';

/** The client on whose behalf a call is made. */
export interface LaterAsker extends Administrator {
  readonly rates: Pick<ConnectionRates, 'query' | 'administer'>;
}

/** How many waiting publishes of one id are looked at to tell whether it names one. */
const NAMESAKES_MAX = 16;

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

  /** Without a topic, everything that the asker may see. @throws BusError `FORBIDDEN`, and as `scheduled` of the bus */
  async scheduled({ principal, rates }: LaterAsker, query: ScheduledQuery): Promise<ScheduledPage> {
    rates.query();
    const granted = principal.access.publish;
    const { topic = granted } = query;
    const wanted = typeof topic === 'string' ? [topic] : topic;
    assertGranted(principal, wanted);
    if (wanted.length === 0) return { publishes: [] };
    return this.#endpoint.scheduled({ ...query, topic: wanted });
  }

  /** @throws BusError `FORBIDDEN`, `RATE_LIMITED`, and as `cancel` of the bus */
  cancel(asker: LaterAsker, id: string, options: CancelOptions): Promise<boolean> {
    return this.#act('cancelPublish', asker, id, async () => {
      checkCancel(id, options);
      const { topic, source } = options;
      if (topic !== undefined) {
        assertTopic(topic);
        assertGranted(asker.principal, [topic]);
        return this.#endpoint.cancel(id, options);
      }
      const granted = asker.principal.access.publish;
      if (granted.length === 0) return false;
      const query = { topic: granted, id, limit: NAMESAKES_MAX };
      const { publishes } = await this.#endpoint.scheduled(query);
      const meant = publishes.filter((one) => source === undefined || one.source === source);
      const [one] = meant;
      if (one === undefined) return false;
      if (meant.length > 1) throw severalWait(id, meant);
      return this.#endpoint.cancel(id, { topic: one.topic, source: one.source });
    });
  }

  /** The schedules that the asker may see. @throws BusError as `schedules.list` of the bus */
  async schedules({ principal, rates }: LaterAsker): Promise<ScheduleInfo[]> {
    rates.query();
    const all = await this.#endpoint.schedules.list();
    return all.filter(({ event }) => principal.mayPublish(event.topic));
  }

  /** One that the asker may not see is not there. @throws BusError as `schedules.get` of the bus */
  async schedule(
    { principal, rates }: LaterAsker,
    name: string,
  ): Promise<ScheduleInfo | undefined> {
    rates.query();
    const found = await this.#endpoint.schedules.get(name);
    return found !== undefined && principal.mayPublish(found.event.topic) ? found : undefined;
  }

  /** @throws BusError `SCHEDULE_UNKNOWN`, and as `schedules.next` of the bus */
  async nextTimes(asker: LaterAsker, name: string, count: number | undefined): Promise<string[]> {
    if ((await this.schedule(asker, name)) === undefined) throw unknown(name);
    return this.#endpoint.schedules.next(name, count);
  }

  /** @throws BusError `FORBIDDEN`, also where it is there and publishes on another topic; and as `schedules.set` */
  set(asker: LaterAsker, name: string, options: ScheduleOptions): Promise<ScheduleInfo> {
    return this.#act('setSchedule', asker, name, async () => {
      const { principal } = asker;
      const found = await this.#endpoint.schedules.get(name);
      if (found !== undefined) assertGranted(principal, [found.event.topic]);
      return this.#endpoint.schedules.set(name, permitted(principal, options));
    });
  }

  /** @throws BusError `SCHEDULE_UNKNOWN`, and as `schedules.pause` */
  alter(asker: LaterAsker, name: string, kind: 'pause' | 'resume'): Promise<ScheduleInfo> {
    return this.#act('alterSchedule', asker, name, async () => {
      await this.#assertVisible(asker, name);
      return this.#endpoint.schedules[kind](name);
    });
  }

  /** False if there is none that the asker may see. @throws BusError as `schedules.delete` */
  delete(asker: LaterAsker, name: string): Promise<boolean> {
    return this.#act('deleteSchedule', asker, name, async () => {
      const found = await this.#endpoint.schedules.get(name);
      if (found === undefined || !asker.principal.mayPublish(found.event.topic)) return false;
      return this.#endpoint.schedules.delete(name);
    });
  }

  async #assertVisible({ principal }: LaterAsker, name: string): Promise<void> {
    const found = await this.#endpoint.schedules.get(name);
    if (found === undefined || !principal.mayPublish(found.event.topic)) throw unknown(name);
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

function unknown(name: string): BusError {
  const message = `there is no schedule ${quote(name)}`;
  return new BusError('SCHEDULE_UNKNOWN', message, { details: { name: quote(name) } });
}
