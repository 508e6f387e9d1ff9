import { MessageChannel } from 'node:worker_threads';
import { type AttachmentData, warn } from '../endpoint/attach-bus.js';
import { Endpoint } from '../endpoint/endpoint.js';
import { INTERNALS } from '../endpoint/internals.js';
import { SYSTEM_TOPICS, SYSTEM_TYPES } from '../endpoint/system-events.js';
import { TURNS } from '../link/shard-control.js';
import type { BusError } from '../protocol/errors.js';
import type { Bus, BusAttachment } from './bus.js';
import type { BusCore } from './bus-core.js';
import { type ParsedBusOptions, systemEventOptions } from './bus-options.js';
import { consumerBus } from './consumer-bus.js';
import { EndpointServer, OwnThread } from './endpoint-server.js';
import type { GatewayHandle, GatewayOptions } from './gateway-options.js';
import { startGateway } from './gateway-starter.js';
import { scheduleBus } from './schedule-bus.js';
import { SystemReporter } from './system-reporter.js';
import { offerBusHooks } from './test-hooks.js';
import { watchedBus } from './watched-bus.js';

/**
 * The bus in the thread that opened it: an endpoint like any other, which also admits others, starts gateways, and
 * stops everything when it closes.
 */

/** How long a close waits for acks, ms, which a `block` subscription in a busy worker may hold up. */
const CLOSE_WAIT_MS = 1000;

export class LocalBus extends Endpoint implements Bus {
  readonly #core: BusCore;
  readonly #gateways = new Set<GatewayHandle>();
  readonly #reporter: SystemReporter;
  #ended: Promise<void> | undefined;

  constructor(core: BusCore, options: ParsedBusOptions) {
    const settings = { topics: options.topics, onError: options.onError ?? warn };
    const data = core.admit();
    super(data, settings, new OwnThread(core.handlersFor(data.endpoint)));
    this.#core = core;
    const { publishSystem, report } = this[INTERNALS];
    core.onWarning(report);
    this.#reporter = new SystemReporter(publishSystem, () => this.stats());
    const systemEvents = systemEventOptions(options);
    if (systemEvents !== undefined) this.#reporter.start(systemEvents);
    publishSystem(SYSTEM_TOPICS.started, SYSTEM_TYPES.started, this.#identity());
    offerBusHooks(this, {
      killShard: (shard) => core.supervisors[shard]!.kill(),
      killDesk: (shard) => core.desks[shard]!.kill(),
      crashShard: (shard) => core.supervisors[shard]!.crash(),
      judgeAlerts: (aheadMs = 0) => {
        core.alerts.judgeByHand();
        core.alertClock.aheadMs += aheadMs;
        return core.alerts.evaluate();
      },
      shardTurns: (shard) => Atomics.load(core.controls[shard]!.words, TURNS),
    });
    core.consumers.start(consumerBus(core, this));
    core.schedules.start(scheduleBus(core, this));
    core.connect(data.endpoint, this);
  }

  /** Resolves when the rules of alerts watch the bus. */
  watch(): Promise<void> {
    return this.#core.alerts.start(watchedBus(this.#core, this));
  }

  attachment(): BusAttachment {
    this.assertOpen();
    const core = this.#core;
    const endpoint = core.admit(true);
    const { endpoint: id, ends, readers } = endpoint;
    const { port1, port2 } = new MessageChannel();
    const server = new EndpointServer(port1, core.handlersFor(id), () => core.dismiss(id));
    core.connect(id, server);
    const data: AttachmentData = { millrace: 1, endpoint, services: port2 };
    return {
      data,
      transferList: [port2, ...(readers?.ports ?? []), ...ends.map(({ port }) => port)],
    };
  }

  async serve(options: GatewayOptions = {}): Promise<GatewayHandle> {
    this.assertOpen();
    const gateway = await startGateway(this, options);
    this.#gateways.add(gateway);
    const forget = (): void => void this.#gateways.delete(gateway);
    gateway.closed.then(forget, forget);
    return gateway;
  }

  override onShardFailed(shard: number, error: BusError): void {
    super.onShardFailed(shard, error);
    // Every endpoint gets this notice; only the opener's publishes it.
    const { code, message, details } = error;
    this[INTERNALS].publishSystem(SYSTEM_TOPICS.errors, SYSTEM_TYPES.error, {
      code,
      message,
      details,
    });
  }

  #identity(): object {
    return { pid: process.pid, node: process.version, epoch: this.epoch, shards: this.shards };
  }

  override close(): Promise<void> {
    this.#ended ??= this.#end();
    return this.#ended;
  }

  /**
   * Closes the gateways first, because they publish; then ends this thread's members; then all endpoints refuse
   * publishes; then waits for the acks of accepted publishes, for a limited time; then the shards empty their rings,
   * close their logs and end.
   */
  async #end(): Promise<void> {
    this.#reporter.stop();
    this.#core.alerts.stop();
    // Published before the gateways close, so that their clients get it too.
    this[INTERNALS].publishSystem(SYSTEM_TOPICS.stopping, SYSTEM_TYPES.stopping, this.#identity());
    await Promise.all([...this.#gateways].map((gateway) => gateway.close()));
    await this.endMembers();
    this.#core.notifyClosing();
    await this.acknowledged(CLOSE_WAIT_MS);
    await this.#core.stop();
  }
}
