import type { BusEndpoint } from '../endpoint/bus-endpoint.js';
import { internalsOf } from '../endpoint/internals.js';
import { messageOf } from '../protocol/thrown.js';

export interface ReadinessCheck {
  readonly name: string;
  readonly isOk: boolean;
  /** Why not. */
  readonly reason?: string;
}

/**
 * Whether a bus can be used, point by point. A shard runs only with its log open for writing: one that cannot write
 * restarts, and has failed when that does not help. One that runs must answer as well, over this gateway's own link.
 * Gateways that share a port stand for each other's clients: one that is away makes all of them not ready.
 */
export async function busReadiness(
  endpoint: Pick<BusEndpoint, 'stats'>,
  isClosing: boolean,
): Promise<readonly ReadinessCheck[]> {
  const closing = check('serving', isClosing ? 'the server is stopping' : undefined);
  try {
    const faults = await internalsOf(endpoint)?.shardFaults();
    const { shards, gateways } = await endpoint.stats();
    const ofShards = shards.map(({ shard, state }) =>
      check(`shard-${shard}`, state === 'running' ? faults?.[shard] : `it is ${state}`),
    );
    const ofGateways = gateways.map(({ gateway, state }) =>
      check(`gateway-${gateway}`, state === 'listening' ? undefined : `it is ${state}`),
    );
    return [closing, check('bus', undefined), ...ofShards, ...ofGateways];
  } catch (error) {
    return [closing, check('bus', messageOf(error))];
  }
}

function check(name: string, reason: string | undefined): ReadinessCheck {
  return reason === undefined ? { name, isOk: true } : { name, isOk: false, reason };
}
