import type { Archive } from '../archive/archive.js';
import { type ShardControl, ShardCounter } from '../link/shard-control.js';
import { SINK_ERROR_LENGTH_MAX, SINK_TARGET_LENGTH_MAX } from '../protocol/limits/sinks.js';
import { maskedTarget, maskedText } from '../protocol/masked-text.js';
import type { SinkFigures } from '../protocol/sink-figures.js';

/** The archive of a bus among its sinks. `endpoint`: that of the thread which opened the bus. */
export function archiveFigures(
  { place, failures }: Pick<Archive, 'place' | 'failures'>,
  controls: readonly ShardControl[],
  endpoint: string,
): SinkFigures {
  const each = (counter: 'archiveEvents' | 'archiveFailingSince'): number[] =>
    controls.map(({ counters }) => counters[ShardCounter[counter]]!);
  const failingSince = each('archiveFailingSince').filter((at) => at > 0);
  const { count, last, lastAt } = failures;
  const target = 'dir' in place ? place.dir : `s3://${place.s3.bucket}/${place.s3.prefix}`;
  return {
    name: 'archive',
    kind: 'archive',
    endpoint,
    state: failingSince.length === 0 ? 'running' : 'waiting',
    ...(failingSince.length === 0
      ? {}
      : { since: new Date(Math.min(...failingSince)).toISOString() }),
    done: each('archiveEvents').reduce((sum, events) => sum + events, 0),
    failed: count,
    restarts: 0,
    target: maskedTarget(target, SINK_TARGET_LENGTH_MAX),
    ...(last === undefined
      ? {}
      : {
          lastError: { code: last.code, message: maskedText(last.message, SINK_ERROR_LENGTH_MAX) },
        }),
    ...(lastAt === undefined ? {} : { lastFailedAt: lastAt }),
  };
}
