import type { Bus } from './bus.js';
import type { GatewayHandle } from './gateway-options.js';

/**
 * Test hooks: tests, fuzzers and benches kill and crash the threads of a bus or a gateway through this module alone.
 * The package does not export it, and no property of a bus or a handle leads to it. Used by the thread that opened the
 * bus.
 */

export interface BusTestHooks {
  /** Terminates the shard's thread, as the operating system might. Resolves when it has ended. */
  killShard(shard: number): Promise<void>;
  /** Terminates the thread that serves the shard's consumers: the shard's own, where it has no other. */
  killDesk(shard: number): Promise<void>;
  /** Makes the shard's loop throw. */
  crashShard(shard: number): void;
  /** Judges all alert rules, after it has set their clock ahead; from then on only this judges them. */
  judgeAlerts(aheadMs?: number): Promise<void>;
  /** How many turns the shard's loop has made. */
  shardTurns(shard: number): number;
}

export type GatewayHarm = 'kill' | 'crash' | 'exhaust' | 'hang';

export interface GatewayTestHooks {
  /** Terminates the first of the gateway's threads, or makes it throw, exhaust its heap or hang. */
  hurt(how: GatewayHarm): Promise<void>;
}

const buses = new WeakMap<Bus, BusTestHooks>();
const gateways = new WeakMap<GatewayHandle, GatewayTestHooks>();

export function offerBusHooks(bus: Bus, hooks: BusTestHooks): void {
  buses.set(bus, hooks);
}

export function offerGatewayHooks(gateway: GatewayHandle, hooks: GatewayTestHooks): void {
  gateways.set(gateway, hooks);
}

/** @throws Error for a bus that another copy of the package opened, or another thread */
export function busHooks(bus: Bus): BusTestHooks {
  return found(buses.get(bus), 'bus');
}

/** @throws Error for a gateway that another copy of the package started */
export function gatewayHooks(gateway: GatewayHandle): GatewayTestHooks {
  return found(gateways.get(gateway), 'gateway');
}

function found<T>(hooks: T | undefined, what: string): T {
  if (hooks === undefined) throw new Error(`not a ${what} that this copy of the package made`);
  return hooks;
}
