/**
 * An endpoint's links to all shards, and the loop that reads their rings. Used by the endpoint's thread alone.
 */
import type { MessagePort } from 'node:worker_threads';
import type { LinkEnd } from '../../link/link.js';
import { ShardControl } from '../../link/shard-control.js';
import type { BusError } from '../../protocol/errors.js';
import type { KeepAlive } from '../../threads/keep-alive.js';
import { DeliveryLoop } from './delivery-loop.js';
import { type DeliveryHandler, DeliveryReader, type MemberHandler } from './delivery-reader.js';
import { EndpointEnd } from './endpoint-end.js';

/** The endpoint's ends of its links, as they are sent between threads. */
export interface LinkEnds {
  readonly ends: readonly LinkEnd[];
  readonly generations: readonly number[];
  readonly controls: readonly SharedArrayBuffer[];
  readonly doorbell: SharedArrayBuffer;
}

/** The sending sides, one for each shard. Nothing is received until `Links` is made. */
export function endpointEnds(
  { ends: linkEnds, generations, controls }: LinkEnds,
  alive: KeepAlive,
): readonly EndpointEnd[] {
  return linkEnds.map(
    (linkEnd, shard) =>
      new EndpointEnd(linkEnd, new ShardControl(controls[shard]!), generations[shard]!, alive),
  );
}

export class Links {
  readonly #ends: readonly EndpointEnd[];
  readonly #readers: readonly DeliveryReader[];
  readonly #ports: MessagePort[];
  readonly #loop: DeliveryLoop;

  /** `onDeliveries` is called each time that all rings were read and their memory given back. */
  constructor(
    { ends: linkEnds, doorbell }: LinkEnds,
    ends: readonly EndpointEnd[],
    handler: DeliveryHandler,
    members: MemberHandler,
    onDeliveries: () => void,
  ) {
    this.#ends = ends;
    this.#ports = linkEnds.map(({ port }) => port);
    this.#readers = linkEnds.map(
      (linkEnd, shard) => new DeliveryReader(linkEnd, ends[shard]!, handler, members),
    );
    this.#loop = new DeliveryLoop(doorbell, this.#readers, onDeliveries);
    for (const [shard, port] of this.#ports.entries()) this.#listen(shard, port);
  }

  /** The links whose shards were not given up. */
  get live(): readonly EndpointEnd[] {
    return this.#ends.filter(({ failure }) => failure === undefined);
  }

  /** True if a shard owes an answer. */
  get hasWork(): boolean {
    for (const end of this.#ends) if (end.hasWork) return true;
    return false;
  }

  run(): void {
    this.#loop.run();
  }

  runAgain(): void {
    this.#loop.again();
  }

  /**
   * Connects to the thread that replaced the shard's last one. `resubscribe` puts this link's subscriptions and
   * members back.
   */
  relink(shard: number, port: MessagePort, generation: number, resubscribe: () => void): void {
    // Reads everything that the dead thread has sent, so that the new one is asked for exactly the rest.
    this.#readers[shard]!.drainWhole();
    this.#ports[shard]!.close();
    this.#ports[shard] = port;
    this.#readers[shard]!.relink(port);
    this.#ends[shard]!.relink(port, generation, resubscribe);
    this.#listen(shard, port);
    this.run();
  }

  /** The shard was given up: publishes in its ring fail with `ofHanded`, calls with `error`. */
  fail(shard: number, error: BusError, ofHanded: BusError): EndpointEnd {
    // Takes the acks that the shard wrote before it ended.
    this.#readers[shard]!.drainWhole();
    const end = this.#ends[shard]!;
    end.fail(error, ofHanded);
    return end;
  }

  /** Reads the rings of shards that have ended to their end. */
  drain(): void {
    for (const reader of this.#readers) reader.drainWhole();
  }

  /** Stops reading the rings. */
  stop(): void {
    this.#loop.stop();
  }

  /** Closes the ports to the shards. */
  close(): void {
    for (const port of this.#ports) port.close();
  }

  #listen(shard: number, port: MessagePort): void {
    port.on('message', (message: unknown) => {
      this.#readers[shard]!.accept(message);
      this.run();
    });
    port.unref();
  }
}
