/**
 * Talks to the broker for one desk, whose thread blocks meanwhile: opens the journal and the history when they are first
 * asked for, and answers one call after the other.
 */
import { workerData } from 'node:worker_threads';
import { BusError, type ErrorData } from '../../protocol/errors.js';
import { messageOf } from '../../protocol/thrown.js';
import { answerCalls, type BlockingLine, type Handed } from '../../threads/blocking-calls.js';
import type { HistoryAddress, HistoryModule, JournalAddress, StoreHistory } from '../log-store.js';
import { OwnerChanged } from './consumer-journal.js';
import type { ConsumerJournalModule, DeskRequest, OpenJournal } from './desk-calls.js';

export interface DeskIoData {
  readonly line: BlockingLine;
  readonly shard: number;
  readonly journal: JournalAddress;
  readonly history: HistoryAddress;
}

const { line, shard, journal: journalAt, history: historyAt } = workerData as DeskIoData;
let journal: Promise<OpenJournal> | undefined;
let history: Promise<StoreHistory> | undefined;

answerCalls(line, (request) => answer(request as DeskRequest), dataOf);

async function answer(request: DeskRequest): Promise<Handed<unknown>> {
  journal ??= openJournal();
  switch (request.call) {
    case 'take':
      return { value: await (await journal).take() };
    case 'append':
      return { value: await (await journal).append(request.entry) };
    case 'compact':
      return { value: await (await journal).compact(request.snapshot) };
    case 'page': {
      history ??= openHistory();
      const page = await (await history).page(shard, request.request);
      return { value: page, transfer: [page.records] };
    }
  }
}

async function openJournal(): Promise<OpenJournal> {
  const module = (await import(journalAt.module)) as ConsumerJournalModule;
  return module.openJournal(journalAt.options, shard);
}

async function openHistory(): Promise<StoreHistory> {
  const module = (await import(historyAt.module)) as HistoryModule;
  return module.openHistory(historyAt.options);
}

function dataOf(error: unknown): ErrorData {
  if (error instanceof BusError) return error.toJSON();
  if (error instanceof OwnerChanged) return { code: 'CONFLICT', message: error.message };
  return { code: 'STORE_FAILED', message: messageOf(error) };
}
