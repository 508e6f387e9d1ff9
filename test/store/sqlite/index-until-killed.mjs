// Opens a log and does its background work; prints a line after each step; its parent kills it.

import { writeSync } from 'node:fs';
import { SqliteShardLog } from '../../../dist/store/sqlite/sqlite-shard-log.js';

const log = new SqliteShardLog({ file: process.argv[2], shard: 0 });
while (log.maintain()) writeSync(1, 'step\n');
writeSync(1, 'end\n');
setInterval(() => {}, 1000);
