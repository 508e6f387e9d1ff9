/** The `ShardLogModule` of desks that have threads of their own. */
import { MessageChannel, Worker } from 'node:worker_threads';
import { ShardControl } from '../../link/shard-control.js';
import { BusError, type ErrorData } from '../../protocol/errors.js';
import { BlockingCaller, blockingLine } from '../../threads/blocking-calls.js';
import { threadFlags } from '../../threads/exec-argv.js';
import { threadModule } from '../../threads/packed.js';
import type { ShardLog, ShardLogOpening } from '../shard-log.js';
import type { DeskCalls, DeskLogOptions, DeskRequest } from './desk-calls.js';
import type { DeskIoData } from './desk-io-thread.js';
import { DeskLog } from './desk-log.js';

const IO_THREAD = threadModule('store/desk/desk-io-thread');

export function openShardLog({ shard, options }: ShardLogOpening): ShardLog {
  const { broker, history, shardControl, control } = options as DeskLogOptions;
  const { caller, answerer } = blockingLine();
  const { port1: guests, port2: guestMail } = new MessageChannel();
  const desk = { shard, control };
  const workerData: DeskIoData = { line: answerer, guests, desk, broker, history };
  const thread = new Worker(IO_THREAD, {
    workerData,
    transferList: [answerer.port, guests],
    name: `millrace-desk-io-${shard}`,
    ...threadFlags(),
  });
  // It ends with the desk's thread, and answers for its failures itself.
  thread.unref();
  guestMail.unref();
  const line = new BlockingCaller(caller, (data) => BusError.from(data as ErrorData));
  const head = new ShardControl(shardControl);
  return new DeskLog({ shard, calls: callsOver(line), head: () => head.head, guestMail });
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
