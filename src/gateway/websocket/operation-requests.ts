import type { Principal } from '../../auth/principal.js';
import type { ConnectionRates } from '../../auth/rate-limiter.js';
import { BusError } from '../../protocol/errors.js';
import { FIGURE_SAMPLES_PER_FRAME } from '../../protocol/limits/websocket.js';
import type { ClientFrame, Result } from '../../protocol/wire.js';
import type { Budget } from '../budget/budget.js';
import type { Operations } from '../operations.js';
import { frameText } from './frames.js';
import { sendList } from './list-frames.js';
import type { Outbound } from './outbound.js';

/** Answers the requests of operators on one connection; `operations.ts` checks their grants. */

/** The client on whose behalf requests are answered. */
export interface Asking {
  readonly principal: Principal;
  readonly address: string;
}

/** The same with what it may use. */
export interface OperationAsker extends Asking {
  readonly rates: ConnectionRates;
  readonly budget: Budget;
}

type OperationType =
  | 'access'
  | 'alerts'
  | 'backup'
  | 'connections'
  | 'definitions'
  | 'disconnect'
  | 'figures'
  | 'prune'
  | 'removeAlert'
  | 'setAlert'
  | 'stats'
  | 'subscribers';

export type OperationFrame = Extract<ClientFrame, { type: OperationType }>;

type FrameOf<T extends OperationType> = Extract<OperationFrame, { type: T }>;

export class OperationRequests {
  readonly #operations: Operations;
  readonly #outbound: Outbound;

  constructor(operations: Operations, outbound: Outbound) {
    this.#operations = operations;
    this.#outbound = outbound;
  }

  /** Rejects with the `BusError` of a refusal. */
  async answer(frame: OperationFrame, asker: OperationAsker): Promise<void> {
    const operations = this.#operations;
    switch (frame.type) {
      case 'access':
        return this.#send(frame, { access: operations.access(asker) });
      case 'connections':
        return this.#connections(frame, asker);
      case 'definitions':
        return this.#definitions(frame, asker);
      case 'disconnect':
        return this.#disconnect(frame, asker);
      case 'figures':
        return this.#figures(frame, asker);
      case 'stats':
        return this.#send(frame, { stats: await operations.stats(asker) });
      case 'subscribers':
        return this.#subscribers(frame, asker);
      case 'alerts':
        return this.#send(frame, { alerts: await operations.alerts(asker) });
      case 'setAlert':
        return this.#send(frame, { alert: await operations.setAlert(asker, frame.payload.rule) });
      case 'removeAlert': {
        const removedAlert = await operations.removeAlert(asker, frame.payload.name);
        return this.#send(frame, { removedAlert });
      }
      case 'backup':
        return this.#send(frame, { backup: await operations.backup(asker, frame.payload.dir) });
      case 'prune':
        return this.#send(frame, { pruned: await operations.prune(asker, frame.payload) });
    }
  }

  async #subscribers(
    { payload, requestId }: FrameOf<'subscribers'>,
    asker: OperationAsker,
  ): Promise<void> {
    await asker.budget.query(async () => {
      const items = await this.#operations.subscribers(asker, payload?.topic);
      const list = { field: 'subscribers', pages: [items], textOf: JSON.stringify } as const;
      await sendList(this.#outbound, asker.budget.work, list, requestId);
    });
  }

  async #connections({ requestId }: FrameOf<'connections'>, asker: OperationAsker): Promise<void> {
    await asker.budget.query(async () => {
      const { connections: items, complete } = await this.#operations.connections(asker);
      const end = () => ({ complete });
      const list = { field: 'connections', pages: [items], textOf: JSON.stringify, end } as const;
      await sendList(this.#outbound, asker.budget.work, list, requestId);
    });
  }

  async #definitions({ requestId }: FrameOf<'definitions'>, asker: OperationAsker): Promise<void> {
    await asker.budget.query(async () => {
      const items = await this.#operations.definitions(asker);
      const list = { field: 'definitions', pages: [items], textOf: JSON.stringify } as const;
      await sendList(this.#outbound, asker.budget.work, list, requestId);
    });
  }

  async #disconnect(frame: FrameOf<'disconnect'>, asker: OperationAsker): Promise<void> {
    try {
      await this.#operations.disconnect(asker, frame.payload.id);
    } catch (error) {
      if (!(error instanceof BusError && error.code === 'NOT_FOUND')) throw error;
      return this.#send(frame, { disconnected: false });
    }
    this.#send(frame, { disconnected: true });
  }

  /** In several frames, as the samples of many shards are long. */
  async #figures(frame: FrameOf<'figures'>, asker: OperationAsker): Promise<void> {
    const { everyMs, samples } = this.#operations.figures(asker, frame.payload?.after);
    for (let begin = 0; ; begin += FIGURE_SAMPLES_PER_FRAME) {
      const part = samples.slice(begin, begin + FIGURE_SAMPLES_PER_FRAME);
      const isLast = begin + part.length === samples.length;
      const figures = { everyMs, samples: part };
      this.#send(frame, isLast ? { figures } : { figures, more: true });
      if (isLast) return;
      await this.#outbound.relieved();
      if (!this.#outbound.isOpen) return;
    }
  }

  #send({ requestId }: OperationFrame, result: Result): void {
    this.#outbound.send(frameText('result', result, requestId));
  }
}
