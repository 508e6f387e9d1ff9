/** A `ShardLogModule` whose log refuses to remove events, with the code that it is given, in the first thread of its shard. */
import { BusError } from '../../dist/protocol/errors.js';

export async function openShardLog({ options, ...opening }) {
  const module = await import(options.shardLog);
  const log = await module.openShardLog({ ...opening, options: options.options });
  if (!opening.isFirst) return log;
  const { pruning } = log;
  const failing = {
    pruneStep: (...words) => pruning.pruneStep(...words),
    totals: (pattern) => pruning.totals(pattern),
    prune() {
      throw new BusError(options.code, 'planted');
    },
  };
  Object.defineProperty(log, 'pruning', { value: failing });
  return log;
}
