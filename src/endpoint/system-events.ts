/**
 * The bus's own events, on topics under `$sys.`. Users can subscribe to them and cannot publish there.
 *
 * The bus's own events must not hold it up: an event that finds no room is dropped, its failure is not reported, and
 * the number of error events per second is limited, because reporting an error may cause the next.
 */

import type { BusError, ErrorData } from '../protocol/errors.js';
import { SYSTEM_ERRORS_PER_SECOND_MAX } from '../protocol/limits/endpoint.js';

export const SYSTEM_TOPICS = {
  started: '$sys.daemon.started',
  stopping: '$sys.daemon.stopping',
  opened: '$sys.connections.opened',
  closed: '$sys.connections.closed',
  gatewayStarted: '$sys.gateways.started',
  gatewayDied: '$sys.gateways.died',
  health: '$sys.health',
  metrics: '$sys.metrics',
  errors: '$sys.errors',
} as const;

export const SYSTEM_TYPES = {
  started: 'daemon_started',
  stopping: 'daemon_stopping',
  opened: 'connection_established',
  closed: 'connection_closed',
  health: 'health_check',
  metrics: 'metrics_update',
  error: 'system_error',
} as const;

export type SystemPublish = (topic: string, type: string, payload: object) => void;

/** Publishes errors as events, at most `SYSTEM_ERRORS_PER_SECOND_MAX` per second. */
export class SystemErrors {
  readonly #publish: SystemPublish;
  #second = 0;
  #reported = 0;
  #unreported = 0;

  constructor(publish: SystemPublish) {
    this.#publish = publish;
  }

  notify(error: BusError): void {
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#reported = 0;
    }
    if (this.#reported >= SYSTEM_ERRORS_PER_SECOND_MAX) {
      this.#unreported++;
      return;
    }
    this.#reported++;
    const untold = this.#unreported === 0 ? {} : { untold: this.#unreported };
    this.#unreported = 0;
    this.#publish(SYSTEM_TOPICS.errors, SYSTEM_TYPES.error, { ...safeData(error), ...untold });
  }
}

/** The error as data; leaves out details that cannot be written as JSON. */
function safeData(error: BusError): ErrorData {
  const { code, message } = error;
  try {
    return JSON.parse(JSON.stringify(error)) as ErrorData;
  } catch {
    return { code, message };
  }
}
