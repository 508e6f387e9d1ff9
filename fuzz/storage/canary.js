/**
 * Planted faults, by campaign. Power: a disk that confirms the flushes of write-ahead logs and does not make them. The others:
 * one event of the directory is not seen, by no way of reading.
 */
export const canaries = {
  power: { forgets: '.db-wal' },
  mutate: { spoil: withoutOne },
  inject: { spoil: withoutOne },
  kill: { spoil: withoutOne },
};

function withoutOne(observed) {
  const shard = observed.shards?.find(({ readings }) => readings.forward.keys.length > 0);
  if (shard === undefined) return observed;
  const gone = shard.readings.forward.keys.at(-1);
  for (const reading of Object.values(shard.readings)) {
    reading.keys = reading.keys.filter((key) => key !== gone);
  }
  shard.events = shard.events?.slice(0, -1);
  return observed;
}
