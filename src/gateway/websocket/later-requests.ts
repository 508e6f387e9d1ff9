import type { ClientFrame, Result } from '../../protocol/wire.js';
import type { GatewayLater } from '../later/gateway-later.js';
import { frameText } from './frames.js';
import { sendList } from './list-frames.js';
import type { OperationAsker } from './operation-requests.js';
import type { Outbound } from './outbound.js';

/** Answers a connection's requests about what is published later; `gateway-later.ts` checks the grants. */

const LATER_TYPES = [
  'scheduled',
  'cancel',
  'schedules',
  'schedule',
  'nextTimes',
  'setSchedule',
  'alterSchedule',
] as const;

export type LaterFrame = Extract<ClientFrame, { type: (typeof LATER_TYPES)[number] }>;

export function isLaterFrame(frame: ClientFrame): frame is LaterFrame {
  return (LATER_TYPES as readonly string[]).includes(frame.type);
}

export class LaterRequests {
  readonly #later: GatewayLater;
  readonly #outbound: Outbound;

  constructor(later: GatewayLater, outbound: Outbound) {
    this.#later = later;
    this.#outbound = outbound;
  }

  /** Rejects with the `BusError` of a refusal. */
  async answer(frame: LaterFrame, asker: OperationAsker): Promise<void> {
    const later = this.#later;
    switch (frame.type) {
      case 'scheduled':
        return asker.budget.query(async (turns) => {
          const page = await later.scheduled(asker, frame.payload ?? {}, turns);
          this.#send(frame, { scheduled: page });
        });
      case 'cancel': {
        const { id, ...options } = frame.payload;
        return this.#send(frame, { cancelled: await later.cancel(asker, id, options) });
      }
      case 'schedules':
        return asker.budget.query(async (turns) => {
          const items = await later.schedules(asker, turns);
          const list = { field: 'schedules', pages: [items], textOf: JSON.stringify } as const;
          await sendList(this.#outbound, asker.budget.work, list, frame.requestId);
        });
      case 'schedule': {
        const schedule = (await later.schedule(asker, frame.payload.name)) ?? null;
        return this.#send(frame, { schedule });
      }
      case 'nextTimes': {
        const { name, count } = frame.payload;
        return this.#send(frame, { times: await later.nextTimes(asker, name, count) });
      }
      case 'setSchedule': {
        const { name, schedule: options } = frame.payload;
        return this.#send(frame, { schedule: await later.set(asker, name, options) });
      }
      case 'alterSchedule':
        return this.#alter(frame, asker);
    }
  }

  async #alter(
    frame: Extract<LaterFrame, { type: 'alterSchedule' }>,
    asker: OperationAsker,
  ): Promise<void> {
    const { name, kind } = frame.payload;
    if (kind === 'delete') this.#send(frame, { deleted: await this.#later.delete(asker, name) });
    else this.#send(frame, { schedule: await this.#later.alter(asker, name, kind) });
  }

  #send({ requestId }: LaterFrame, result: Result): void {
    this.#outbound.send(frameText('result', result, requestId));
  }
}
