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

/** The kinds of sinks that a section of the config file names, each with its own check of its options. */

type Options = SinkOptions & { readonly consumer: Consumer };

export interface SinkKind {
  /** Options that are functions, or that the server sets. */
  readonly unavailable: readonly string[];
  /** @throws BusError `OPTION_INVALID` */
  check(options: Options): unknown;
  start(options: Options): Sink;
}

/** The options have passed `check`; their types are those of the kind. */
function kindOf<O extends Options>(
  unavailable: readonly string[],
  check: (options: O) => unknown,
  start: (options: O) => Sink,
): SinkKind {
  return {
    unavailable: ['name', 'signal', 'onError', ...unavailable],
    check: (options) => check(options as O),
    start: (options) => start(options as O),
  };
}

export const SINK_KINDS: Readonly<Record<string, SinkKind>> = {
  webhook: kindOf<WebhookOptions>(['endpoint', 'idOf', 'resolve'], parseWebhookOptions, webhook),
  audit: kindOf<AuditOptions>(['onHead'], parseAuditOptions, audit),
  forward: kindOf<ForwardOptions>(['topic'], parseForwardOptions, forward),
};

/** A sink of the app's own: its module's default export makes it. */
export const MODULE_KIND = 'module';
