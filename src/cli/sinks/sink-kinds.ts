import type { Consumer } from '../../protocol/consumers.js';
import { parseAuditOptions } from '../../sinks/audit/audit-options.js';
import { parseForwardOptions } from '../../sinks/forward/forward-options.js';
import { parseWebhookOptions } from '../../sinks/webhook/webhook-options.js';
import {
  type AuditOptions,
  audit,
  type ForwardOptions,
  forward,
  type Sink,
  type SinkOptions,
  type WebhookOptions,
  webhook,
} from '../../sinks.js';
import {
  outboxSection,
  projectionSection,
  startOutbox,
  startProjection,
} from './database-sinks.js';
import type { SinkStart } from './sink-start.js';

/** The kinds of sinks that a section of the config file names, each with its own check of its options. */

type Options = SinkOptions & { readonly consumer: Consumer };

export interface SinkKind {
  /** Options that are functions, or that the server sets. */
  readonly unavailable: readonly string[];
  readonly hasConsumer: boolean;
  readonly hasModule: boolean;
  /** @throws BusError `OPTION_INVALID` */
  check(options: object): unknown;
  /** `start` has what the kind needs, and its options have passed `check`. */
  start(start: SinkStart): Sink | Promise<Sink>;
}

const BY_SERVER = ['name', 'signal', 'onError'];

/** The options have passed `check`; their types are those of the kind. */
function kindOf<O extends Options>(
  unavailable: readonly string[],
  check: (options: O) => unknown,
  start: (options: O) => Sink,
): SinkKind {
  return {
    unavailable: [...BY_SERVER, ...unavailable],
    hasConsumer: true,
    hasModule: false,
    check: (options) => check(options as O),
    start: ({ options, name, signal, onError, consumer }) =>
      start({ ...options, name, signal, onError, consumer } as O),
  };
}

export const SINK_KINDS: Readonly<Record<string, SinkKind>> = {
  webhook: kindOf<WebhookOptions>(['endpoint', 'idOf', 'resolve'], parseWebhookOptions, webhook),
  audit: kindOf<AuditOptions>(['onHead'], parseAuditOptions, audit),
  forward: kindOf<ForwardOptions>(['topic'], parseForwardOptions, forward),
  project: {
    unavailable: [...BY_SERVER, 'apply', 'clear'],
    hasConsumer: true,
    hasModule: true,
    check: (options) => projectionSection({ ...options }),
    start: startProjection,
  },
  outbox: {
    unavailable: [...BY_SERVER, 'bus'],
    hasConsumer: false,
    hasModule: false,
    check: (options) => outboxSection({ ...options }),
    start: startOutbox,
  },
};

/** A sink of the app's own: its module's default export makes it. */
export const MODULE_KIND = 'module';
