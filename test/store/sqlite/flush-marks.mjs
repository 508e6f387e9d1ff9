// Appends and commits to a new log, and writes a line before and after each act, for a trace of its system calls.

import { writeSync } from 'node:fs';
import { EventRecordEncoder } from '../../../dist/record/event-record.js';
import { SqliteShardLog } from '../../../dist/store/sqlite/sqlite-shard-log.js';

const log = new SqliteShardLog({ file: process.argv[2], shard: 0 });

function act(name, work) {
  writeSync(1, `begin ${name}\n`);
  work();
  writeSync(1, `end ${name}\n`);
}

function append() {
  const encoder = new EventRecordEncoder();
  Object.assign(encoder, { flags: 1, timestamp: 1000, topic: 't', type: 'test_type', id: 'i' });
  Object.assign(encoder, { source: 'child', payload: '1' });
  const bytes = Buffer.alloc(encoder.measure());
  encoder.writeTo(bytes, 0);
  log.append(bytes, 0, 1000);
}

const at = (position) => [{ endpoint: 'e', position, firstSequence: 1, settled: 0 }];

append();
log.commit(true, at(1));
// The batch after a flushed one is flushed too.
append();
log.commit(false, at(2));

act('rows alone, written', () => log.commit(false, at(3)));
act('a flush of those rows', () => log.commit(true, []));
act('nothing new to flush', () => log.commit(true, []));

append();
act('an event, written', () => log.commit(false, at(4)));
act('a flushed commit without changes', () => log.commit(true, at(4)));

log.commit(false, at(5));
act('rows alone, written again', () => log.commit(false, at(6)));
act('rows alone, flushed', () => log.commit(true, at(7)));
log.close();
