/**
 * An endpoint's links to all shards: one proxy each, and the loop that looks at their rings. Used by the endpoint's thread
 * alone.
 */
import type { MessagePort } from 'node:worker_threads';
import type { LinkEnd } from '../../link/link.js';
import { ShardControl } from '../../link/shard-control.js';
import type { BusError } from '../../protocol/errors.js';
import { DELIVERIES_PER_TURN } from '../../protocol/limits.js';
import type { KeepAlive } from '../../threads/keep-alive.js';
import { DeliveryLoop } from './delivery-loop.js';
import { type DeliveryHandler, ShardProxy } from './shard-proxy.js';

/** The endpoint's ends of its links, as they cross threads. */
export interface LinkEnds {
  readonly ends: readonly LinkEnd[];
  readonly generations: readonly number[];
  readonly controls: readonly SharedArrayBuffer[];
  readonly doorbell: SharedArrayBuffer;
}

export class Links {
  readonly proxies: readonly ShardProxy[];
  readonly #loop: DeliveryLoop;

  /**
   * Fills `proxies`, which the handler knows already. `onDeliveries` is called whenever all rings were looked at, and their memory
   * given back.
   */
  constructor(
    { ends, generations, controls, doorbell }: LinkEnds,
    proxies: ShardProxy[],
    handler: DeliveryHandler,
    alive: KeepAlive,
    onDeliveries: () => void,
  ) {
    this.proxies = proxies;
    const owner = { alive, onDoorbell: () => this.run() };
    for (const [shard, end] of ends.entries()) {
      const control = new ShardControl(controls[shard]!);
      proxies.push(new ShardProxy(end, control, generations[shard]!, handler, owner));
    }
    this.#loop = new DeliveryLoop(doorbell, proxies, onDeliveries);
  }

  /** Those whose shard was not given up. */
  get live(): readonly ShardProxy[] {
    return this.proxies.filter(({ failure }) => failure === undefined);
  }

  /** A shard was handed something and has not answered. */
  get hasWork(): boolean {
    for (const proxy of this.proxies) if (proxy.hasWork) return true;
    return false;
  }

  run(): void {
    this.#loop.run();
  }

  runAgain(): void {
    this.#loop.again();
  }

  /** The shard's thread was replaced. `resubscribe`: says the subscriptions of this link again. */
  relink(shard: number, port: MessagePort, generation: number, resubscribe: () => void): void {
    const proxy = this.proxies[shard]!;
    // All that the dead thread has sent, so that the new one is asked for exactly what is missing.
    drainWhole(proxy);
    proxy.relink(port, generation, resubscribe);
    this.run();
  }

  /** The shard was given up: what it was handed fails with `ofHanded`. */
  fail(shard: number, error: BusError, ofHanded: BusError): ShardProxy {
    const proxy = this.proxies[shard]!;
    // All that it acknowledged before it ended.
    drainWhole(proxy);
    proxy.fail(error, ofHanded);
    return proxy;
  }

  /** What is still in the rings of shards that have ended. */
  drain(): void {
    for (const proxy of this.proxies) drainWhole(proxy);
  }

  stop(): void {
    this.#loop.stop();
  }
}

function drainWhole(proxy: ShardProxy): void {
  while (proxy.drain(DELIVERIES_PER_TURN) > 0);
}
