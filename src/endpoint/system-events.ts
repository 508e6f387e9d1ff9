/**
 * What the bus says about itself, on topics under `$sys.`, to whoever has subscribed to them. Users cannot publish there.
 *
 * The bus is not to be held up by its own events: one that finds no room is dropped, failures of theirs are told to
 * nobody, and errors are limited in number, since telling one may cause the next.
 */

import type { BusError, ErrorData } from '../protocol/errors.js';
import { SYSTEM_ERRORS_PER_SECOND_MAX } from '../protocol/limits.js';

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

/** Errors as events, so many in a second. */
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

/** Details that are no JSON are left out. */
function safeData(error: BusError): ErrorData {
  const { code, message } = error;
  try {
    return JSON.parse(JSON.stringify(error)) as ErrorData;
  } catch {
    return { code, message };
  }
}
