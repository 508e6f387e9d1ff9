/**
 * One thread of a gateway, from its start to its end. It reports the end; `GatewaySupervisor` decides whether another
 * thread follows. The thread is started by URL and nothing of the gateway is imported here, so a program that never
 * serves never loads it.
 */
import { Worker } from 'node:worker_threads';
import { BusError } from '../protocol/errors.js';
import type { FigureSample } from '../protocol/operations.js';
import { threadFlags } from '../threads/exec-argv.js';
import { threadModule } from '../threads/packed.js';
import type { BusAttachment } from './bus.js';
import {
  GATEWAY_CLOSE,
  type GatewayLog,
  type GatewayOrder,
  type GatewayThreadData,
  type GatewayThreadMessage,
} from './gateway-messages.js';

const THREAD_URL = threadModule('gateway/gateway-thread');

/** How long a thread may take to end by itself after its last message before it is terminated, ms. */
const EXIT_WAIT_MS = 1000;
/** How long a thread may take to report that it has closed, ms. */
const CLOSE_WAIT_MS = 4000;

export interface GatewayLifeOwner {
  onListening(host: string, port: number): void;
  onLog(log: GatewayLog): void;
  onSample(sample: FigureSample): void;
  /** The thread has ended: `closed` if it was ordered to, else with an error. Called once. */
  onEnd(end: 'closed' | BusError): void;
}

export interface GatewayLifeSettings extends Omit<GatewayThreadData, 'attachment'> {
  /** The thread's heap limit, MiB. `undefined`: Node's own. */
  readonly heapMiB: number | undefined;
}

export class GatewayLife {
  readonly #worker: Worker;
  readonly #owner: GatewayLifeOwner;
  #end: 'closed' | BusError | undefined;
  #endTimer: NodeJS.Timeout | undefined;

  constructor(
    { data, transferList }: BusAttachment,
    { heapMiB, ...settings }: GatewayLifeSettings,
    owner: GatewayLifeOwner,
  ) {
    this.#owner = owner;
    const workerData: GatewayThreadData = { ...settings, attachment: data };
    const worker = new Worker(THREAD_URL, {
      workerData,
      transferList,
      name: 'millrace-gateway',
      ...(heapMiB !== undefined && { resourceLimits: { maxOldGenerationSizeMb: heapMiB } }),
      ...threadFlags(),
    });
    this.#worker = worker;
    worker.on('message', (message: GatewayThreadMessage) => this.#onMessage(message));
    worker.on('error', (error) => {
      this.#end ??= died(error.message, error);
    });
    worker.on('exit', (code) => {
      clearTimeout(this.#endTimer);
      this.#owner.onEnd(this.#end ?? died(`it ended by itself with code ${code}`));
    });
  }

  /** Lets the thread answer accepted requests, close its connections and end; terminates it if that takes too long. */
  close(): void {
    this.order(GATEWAY_CLOSE);
    this.#endAfter(CLOSE_WAIT_MS, 'closed');
  }

  /** Terminates the thread at once. `reason`: the error that `onEnd` gets. */
  async terminate(reason?: string): Promise<void> {
    if (reason !== undefined) this.#end ??= died(reason);
    await this.#worker.terminate();
  }

  order(order: GatewayOrder): void {
    this.#worker.postMessage(order);
  }

  #onMessage(message: GatewayThreadMessage): void {
    switch (message.type) {
      case 'listening':
        this.#owner.onListening(message.host, message.port);
        break;
      case 'failed':
        this.#endAfter(EXIT_WAIT_MS, BusError.from(message.error));
        break;
      case 'log':
        this.#owner.onLog(message.log);
        break;
      case 'sample':
        this.#owner.onSample(message.sample);
        break;
      case 'closed':
        this.#endAfter(EXIT_WAIT_MS, 'closed');
    }
  }

  #endAfter(milliseconds: number, end: 'closed' | BusError): void {
    this.#end ??= end;
    clearTimeout(this.#endTimer);
    this.#endTimer = setTimeout(() => void this.#worker.terminate(), milliseconds);
  }
}

function died(reason: string, cause?: unknown): BusError {
  return new BusError('GATEWAY_FAILED', reason, { cause });
}
