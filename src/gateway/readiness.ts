import type { BusEndpoint } from '../endpoint/bus-endpoint.js';
import { internalsOf } from '../endpoint/internals.js';
import { messageOf } from '../protocol/thrown.js';

export interface ReadinessCheck {
  readonly name: string;
  readonly isOk: boolean;
  /** Says why the check failed; left out where it is ok. */
  readonly reason?: string;
}

/**
 * Checks whether a bus can be used: the gateway itself, the bus, each shard and each gateway thread. A shard whose log
 * cannot be written restarts, and is failed when that does not help; so a running shard has its log open for writing. A
 * running shard must also answer over this gateway's own link. Gateways that share a port get each other's clients: one
 * that does not listen makes all of them not ready.
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
