import { type Command, Option } from 'commander';
import { SHARDS_MAX } from '../../protocol/limits/shards.js';
import type { CopyProgress, CopyResult } from '../../store/copy/copy.js';
import type { CopySource } from '../../store/copy/copy-source.js';
import type { FillRequest, StoreFilling } from '../../store/filling.js';
import { CommandFailure, notify, usageFailure } from '../failure.js';
import { writeLine } from '../output.js';
import { isAddress, parseStoreAddress } from '../store-address.js';
import { formatNumber } from '../table.js';
import { integerFrom } from '../values.js';

/** `millrace copy`: moves the events of a history between a directory and a broker, or between two brokers. */

interface CopyCommandOptions {
  from: string;
  to: string;
  shards?: number;
  eventsOnly?: true;
  redate?: true;
  json?: true;
}

/** One side of a copy, as messages name it. */
interface Side<T> {
  readonly place: string;
  readonly open: T;
}

export function addCopyCommand(program: Command): void {
  program
    .command('copy')
    .description('copy all events from a directory to NATS or Redis, back, or between brokers')
    .addOption(
      new Option(
        '--from <store>',
        'a directory that no server has open, nats://…, or redis://…',
      ).makeOptionMandatory(),
    )
    .addOption(
      new Option(
        '--to <store>',
        'the same, empty; or where this copy was interrupted before',
      ).makeOptionMandatory(),
    )
    .addOption(
      new Option(
        '--shards <n>',
        `shards of a new store, 1 to ${SHARDS_MAX} (default: as many as the source)`,
      ).argParser(integerFrom(1, SHARDS_MAX)),
    )
    .option('--events-only', 'leave behind consumers, and what else the source has besides events')
    .option(
      '--redate',
      'events dated in the future, by a clock that was ahead, count as recorded now',
    )
    .option('--json', 'print the outcome as JSON')
    .action(copyStore);
}

async function copyStore(options: CopyCommandOptions): Promise<void> {
  const { from, to, shards } = options;
  if (!isAddress(from) && !isAddress(to)) {
    throw usageFailure(
      '--from and --to are both directories: use `millrace backup` or `millrace reshard`, which take everything along',
    );
  }
  // Both addresses are judged before anything is opened.
  const source = await sourceOf(from, options.eventsOnly === true);
  const target = await targetOf(to);
  const opened = await source.open();
  try {
    const { shards: defaultShards, shardBy, history } = opened;
    const filling = await target.open({ shards, defaultShards, shardBy, history });
    try {
      const result = await copied(opened, filling, options);
      report(result, source.place, target.place, filling.shards, options);
    } finally {
      await filling.close();
    }
  } finally {
    await opened.close();
  }
}

async function copied(
  from: CopySource,
  to: StoreFilling,
  { redate }: CopyCommandOptions,
): Promise<CopyResult> {
  const { copyEvents } = await import('../../store/copy/copy.js');
  const { isTTY } = process.stderr;
  const onProgress = ({ step, events, total }: CopyProgress): void => {
    if (isTTY) process.stderr.write(`\r${step} ${events} of ${total} events`);
  };
  try {
    return await copyEvents({
      ...{ from, to, onProgress },
      ...(redate === true && { recordedUntil: Date.now() }),
    });
  } finally {
    if (isTTY) process.stderr.write('\n');
  }
}

function report(
  { events, found, heads }: CopyResult,
  from: string,
  to: string,
  shards: number,
  { json }: CopyCommandOptions,
): void {
  const before = found === 0 ? '' : `; ${formatNumber(found)} of them were there already`;
  notify(`copied ${formatNumber(events)} events from ${from} to ${to}, shards: ${shards}${before}`);
  notify('both sides were read again and compared: ids, order, times and contents are the same');
  if (json === true) writeLine(JSON.stringify({ events, found, shards, heads }));
}

/** What is imported here needs SQLite, or a broker's client. */
async function sourceOf(
  text: string,
  isEventsOnly: boolean,
): Promise<Side<() => Promise<CopySource>>> {
  if (isAddress(text)) {
    const { place, store } = await parseStoreAddress(text, {
      flag: '--from',
      fixed: { create: false },
    });
    const open = async (): Promise<CopySource> => {
      const { openHistorySource } = await import('../../store/copy/history-source.js');
      return openHistorySource(store, isEventsOnly);
    };
    return { place, open };
  }
  const open = async (): Promise<CopySource> => {
    const { DirectorySource } = await import('../../store/upkeep/directory-source.js');
    const source = DirectorySource.open(text, isEventsOnly);
    for (const loss of source.losses) notify(`${text} has lost events before: ${loss}`);
    return source;
  };
  return { place: text, open };
}

async function targetOf(
  text: string,
): Promise<Side<(request: FillRequest) => Promise<StoreFilling>>> {
  if (isAddress(text)) {
    const { place, store } = await parseStoreAddress(text, { flag: '--to' });
    const open = (request: FillRequest): Promise<StoreFilling> => {
      if (store.fill === undefined) throw new CommandFailure(`nothing can be copied to ${place}`);
      return store.fill(request);
    };
    return { place, open };
  }
  const open = async (request: FillRequest): Promise<StoreFilling> => {
    const { DirectoryFilling } = await import('../../store/upkeep/directory-filling.js');
    return DirectoryFilling.begin(text, request);
  };
  return { place: text, open };
}
