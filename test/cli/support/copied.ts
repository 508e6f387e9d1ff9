import { shardOf } from '../../../src/protocol/topic-hash.js';
import { EventRecordView } from '../../../src/record/event-record.js';
import { endNew, openManifest } from '../../../src/store/directory/directory.js';
import { readManifest } from '../../../src/store/directory/manifest.js';
import { shardFile } from '../../../src/store/sqlite/connection/schema.js';
import { identityOf } from '../../../src/store/sqlite/log-state.js';
import { SqliteShardLog } from '../../../src/store/sqlite/sqlite-shard-log.js';
import { record, type TestEvent } from '../../store/records.js';
import { temporaryDirectory } from './command.js';

/** Everything of an event but its sequence, which a copy does not keep. */
export interface CopiedEvent {
  readonly recordedAt: number;
  readonly flags: number;
  readonly published: string;
}

const SUPPLIED_ID = 1 | 4;
const OF_SOURCE = SUPPLIED_ID | 16;
const IDENTITY_FLAGS = 4 | 16;

/** A closed directory of two shards with events of all kinds, the last of which was recorded a moment ago. */
export function directoryWith(events: number, shards = 2): string {
  const dir = temporaryDirectory();
  const manifest = openManifest(dir, { shards, defaultShards: 1 });
  const logs = Array.from({ length: shards }, (_, shard) => {
    return new SqliteShardLog({
      file: shardFile(dir, shard),
      shard,
      identity: identityOf(manifest),
    });
  });
  const begun = Date.now() - 3_600_000;
  for (let n = 0; n < events; n++) {
    const topic = n % 50 === 0 ? `odd.>%${n % 7}.é` : `topic.${(n * 7) % 23}`;
    const isLast = n === events - 1;
    const recordedAt = isLast ? Date.now() : begun + (n >> 2);
    const log = logs[shardOf(topic, shards)]!;
    log.append(
      record({ topic, payload: { n }, timestamp: recordedAt, ...(isLast ? LAST : kindOf(n)) }),
      0,
      recordedAt,
    );
    if (n % 500 === 499) for (const one of logs) one.commit(false, []);
  }
  const heads = logs.map((one) => {
    one.commit(true, []);
    one.close();
    return one.head;
  });
  endNew(dir, { ...manifest, heads });
  return dir;
}

/** Its id is known for some time. */
const LAST: TestEvent = { id: 'last', flags: SUPPLIED_ID };

function kindOf(n: number): TestEvent {
  if (n % 10 === 1) return { id: `own-${n % 100}`, flags: SUPPLIED_ID, correlationId: 'c' };
  if (n % 10 === 2) return { id: `own-${n % 100}`, flags: OF_SOURCE, source: `s${n % 3}` };
  if (n % 10 === 3) return { timestamp: 77, flags: 1 | 8, attributes: { a: 'ö' } };
  if (n % 10 === 4) return { causationId: '01H0000000000000000000000A', correlationId: `k${n}` };
  return {};
}

/** The events of a closed directory by topic, in their order. */
export function contentOf(dir: string): Map<string, CopiedEvent[]> {
  const { shards } = readManifest(dir)!;
  const view = new EventRecordView();
  const topics = new Map<string, CopiedEvent[]>();
  for (let shard = 0; shard < shards; shard++) {
    const log = new SqliteShardLog({ file: shardFile(dir, shard), shard });
    log.read({ after: 0, limit: Number.MAX_SAFE_INTEGER }, ({ recordedAt, bytes, offset }) => {
      const { topic, publishedBytes, flags } = view.wrap(bytes, offset);
      const published = Buffer.from(publishedBytes).toString('latin1');
      const events = topics.get(topic) ?? [];
      events.push({ recordedAt, flags: flags & IDENTITY_FLAGS, published });
      topics.set(topic, events);
      return undefined;
    });
    log.close();
  }
  return topics;
}
