/**
 * Talks to the broker for one desk, whose thread blocks meanwhile: opens the broker and the history when they are first
 * asked for, and answers one call after the other. It is also where the endpoints of other nodes come to the desk.
 */
import { type MessagePort, workerData } from 'node:worker_threads';
import { BusError, type ErrorData } from '../../protocol/errors.js';
import { isError, messageOf } from '../../protocol/thrown.js';
import { type GuestDesk, Guests } from '../../relay/guests.js';
import { answerCalls, type BlockingLine, type Handed } from '../../threads/blocking-calls.js';
import {
  type ConsumerBroker,
  type ConsumerBrokerModule,
  type ConsumerJournal,
  OWNER_CHANGED,
} from '../consumer-broker.js';
import type {
  ConsumerBrokerAddress,
  HistoryAddress,
  HistoryModule,
  StoreHistory,
} from '../log-store.js';
import type { DeskRequest } from './desk-calls.js';

export interface DeskIoData {
  readonly line: BlockingLine;
  /** Takes the desk the mail of endpoints of other nodes. */
  readonly guests: MessagePort;
  readonly desk: Pick<GuestDesk, 'shard' | 'control'>;
  readonly broker: ConsumerBrokerAddress;
  readonly history: HistoryAddress;
}

const { line, guests, desk, broker: brokerAt, history: historyAt } = workerData as DeskIoData;
let broker: Promise<ConsumerBroker> | undefined;
let journal: ConsumerJournal | undefined;
let history: Promise<StoreHistory> | undefined;

answerCalls(line, (request) => answer(request as DeskRequest), dataOf);

async function answer(request: DeskRequest): Promise<Handed<unknown>> {
  switch (request.call) {
    case 'take':
      return { value: await take() };
    case 'append':
      return { value: await journal!.append(request.entry) };
    case 'compact':
      return { value: await journal!.compact(request.snapshot) };
    case 'page': {
      history ??= openHistory();
      const page = await (await history).page(desk.shard, request.request);
      return { value: page, transfer: [page.records] };
    }
  }
}

/** Only who has the journal takes in endpoints of other nodes. */
async function take(): Promise<readonly Uint8Array[]> {
  broker ??= openBroker();
  const opened = await broker;
  journal = opened.journal(desk.shard);
  const entries = await journal.take();
  await Guests.receive({ ...desk, broker: opened, mail: guests });
  return entries;
}

async function openBroker(): Promise<ConsumerBroker> {
  const module = (await import(brokerAt.module)) as ConsumerBrokerModule;
  return module.openConsumerBroker(brokerAt.options);
}

async function openHistory(): Promise<StoreHistory> {
  const module = (await import(historyAt.module)) as HistoryModule;
  return module.openHistory(historyAt.options);
}

function dataOf(error: unknown): ErrorData {
  if (error instanceof BusError) return error.toJSON();
  // By its name: the broker's module may have another copy of the class than this thread.
  if (isError(error) && error.name === OWNER_CHANGED) {
    return { code: 'CONFLICT', message: error.message };
  }
  return { code: 'STORE_FAILED', message: messageOf(error) };
}
