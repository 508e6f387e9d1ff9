// Appends batches for ever and prints the head after each commit; its parent kills it.

import { writeSync } from 'node:fs';
import { EventRecordEncoder } from '../../../dist/record/event-record.js';
import { SqliteShardLog } from '../../../dist/store/sqlite/sqlite-shard-log.js';

const log = new SqliteShardLog({ file: process.argv[2], shard: 0 });
const encoder = new EventRecordEncoder();
let n = 0;
for (;;) {
  for (let i = 0; i < 50; i++) {
    encoder.flags = 3;
    encoder.timestamp = 1000;
    encoder.topic = `t.${n % 9}`;
    encoder.type = 'test_type';
    encoder.source = 'child';
    encoder.id = `id-${n}`;
    encoder.payload = JSON.stringify({ n: ++n });
    const bytes = Buffer.alloc(encoder.measure());
    encoder.writeTo(bytes, 0);
    log.append(bytes, 0, 1000);
  }
  log.commit(true, []);
  writeSync(1, `${log.head}\n`);
}
