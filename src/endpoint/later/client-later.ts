/** What is published later, for the clients of a gateway: what waits, and schedules, on topics that a client may name. */

import {
  type CancelOptions,
  checkCancel,
  parseScheduledQuery,
  type ScheduledPage,
  type ScheduledQuery,
} from '../../protocol/scheduled.js';
import type { Schedules } from '../../protocol/schedules.js';
import { shardOf } from '../../protocol/topic-hash.js';
import type { Asker } from '../asker.js';
import { EndpointSchedules, type SchedulesHost } from './endpoint-schedules.js';
import { cancelScheduled, scheduledPage } from './scheduled.js';

export interface ClientLaterHost extends SchedulesHost {
  readonly segments: number | undefined;
}

export class ClientLater {
  readonly #host: ClientLaterHost;

  constructor(host: ClientLaterHost) {
    this.#host = host;
  }

  /** As `scheduled` of the bus, in the asker's turns. */
  async scheduled(asker: Asker, query: ScheduledQuery): Promise<ScheduledPage> {
    this.#host.assertOpen();
    return scheduledPage(this.#host.ends, parseScheduledQuery(query), asker);
  }

  /** As `cancel` of the bus, of publishes on topics that one of the patterns covers. */
  async cancel(patterns: readonly string[], id: string, options: CancelOptions): Promise<boolean> {
    const { ends, segments } = this.#host;
    this.#host.assertOpen();
    checkCancel(id, options);
    const shardOfTopic = (name: string): number => shardOf(name, ends.length, segments);
    return cancelScheduled(ends, shardOfTopic, id, options, patterns);
  }

  /**
   * The schedules on topics that one of the patterns covers; for the caller there are no others.
   * @param asker in whose turns lists are read
   */
  schedulesOn(patterns: readonly string[], asker?: Asker): Schedules {
    return new EndpointSchedules(this.#host, patterns, asker);
  }
}
