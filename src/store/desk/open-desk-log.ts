/** The `ShardLogModule` of desks that have threads of their own. */
import { Worker } from 'node:worker_threads';
import { ShardControl } from '../../link/shard-control.js';
import { BusError, type ErrorData } from '../../protocol/errors.js';
import { BlockingCaller, blockingLine } from '../../threads/blocking-calls.js';
import { threadFlags } from '../../threads/exec-argv.js';
import type { ShardLog, ShardLogOpening } from '../shard-log.js';
import type { DeskCalls, DeskLogOptions, DeskRequest } from './desk-calls.js';
import type { DeskIoData } from './desk-io-thread.js';
import { DeskLog } from './desk-log.js';

const IO_THREAD = new URL('./desk-io-thread.js', import.meta.url);

export function openShardLog({ shard, options }: ShardLogOpening): ShardLog {
  const { journal, history, shardControl } = options as DeskLogOptions;
  const { caller, answerer } = blockingLine();
  const workerData: DeskIoData = { line: answerer, shard, journal, history };
  const thread = new Worker(IO_THREAD, {
    workerData,
    transferList: [answerer.port],
    name: `millrace-desk-io-${shard}`,
    ...threadFlags(),
  });
  // It ends with the desk's thread, and answers for its failures itself.
  thread.unref();
  const line = new BlockingCaller(caller, (data) => BusError.from(data as ErrorData));
  const control = new ShardControl(shardControl);
  return new DeskLog({ shard, calls: callsOver(line), head: () => control.head });
}

function callsOver(line: BlockingCaller): DeskCalls {
  const call = <T>(request: DeskRequest): T => line.call<T>(request);
  return {
    take: () => call({ call: 'take' }),
    append: (entry) => call({ call: 'append', entry }),
    compact: (snapshot) => call({ call: 'compact', snapshot }),
    page: (request) => call({ call: 'page', request }),
  };
}
