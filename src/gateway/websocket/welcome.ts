import type { Principal } from '../../auth/principal.js';
import type { EndpointInternals } from '../../endpoint/internals.js';
import { PAYLOAD_BYTES_MAX } from '../../protocol/limits/events.js';
import { EVENTS_PER_FRAME_MAX } from '../../protocol/limits/websocket.js';
import { type Welcome, WIRE_PROTOCOL, type WireLimits } from '../../protocol/wire.js';
import type { GatewaySettings } from '../settings.js';

/** The limits of the bus; unknown for an endpoint that the user made. */
type BusLimits = Pick<EndpointInternals, 'dedupe' | 'maxPayloadBytes'>;

/** The payload of the first frame: the bus and its epoch, the connection, the principal, and the client's limits. */
export function welcome(
  settings: GatewaySettings,
  session: {
    readonly connection: string;
    readonly epoch: string;
    readonly shards: number;
    readonly server: string;
    readonly principal: Principal | undefined;
    readonly bus: BusLimits | undefined;
  },
): Welcome {
  const { connection, epoch, shards, server, principal, bus } = session;
  const { heartbeatMs, environment, dashboardReadOnly } = settings;
  const limits = wireLimits(settings, bus);
  const payload = {
    protocol: WIRE_PROTOCOL,
    server,
    epoch,
    shards,
    connection,
    heartbeatMs,
    ...(environment !== undefined && { environment }),
    ...(dashboardReadOnly && ({ dashboardReadOnly } as const)),
    limits,
  };
  return principal === undefined ? payload : { ...payload, principal: principal.name };
}

function wireLimits(settings: GatewaySettings, bus: BusLimits | undefined): WireLimits {
  const { maxPublishPerSecond, maxSubscribePerSecond, maxQueriesPerSecond } = settings;
  return {
    frameBytes: settings.maxFrameBytes,
    payloadBytes: bus?.maxPayloadBytes ?? PAYLOAD_BYTES_MAX,
    subscriptions: settings.maxSubscriptions,
    eventsPerFrame: EVENTS_PER_FRAME_MAX,
    outboundBytes: settings.maxOutboundBytes,
    ...(bus !== undefined && {
      dedupeWindowMs: bus.dedupe.windowMs,
      dedupeReachMs: Math.floor(bus.dedupe.reachMs),
    }),
    ...(maxPublishPerSecond > 0 && { publishPerSecond: maxPublishPerSecond }),
    ...(maxSubscribePerSecond > 0 && { subscribePerSecond: maxSubscribePerSecond }),
    ...(maxQueriesPerSecond > 0 && { queryPerSecond: maxQueriesPerSecond }),
  };
}
