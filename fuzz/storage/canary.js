/**
 * Planted faults, by campaign. `power`, `cuts`: the disk confirms the flushes of write-ahead logs without making them.
 * `payloads`: those of payload files. The others: one event is missing from every way of reading.
 */
export const canaries = {
  power: { forgets: '.db-wal' },
  cuts: { forgets: '.db-wal' },
  payloads: { forgets: '.payloads/' },
  mutate: { spoil: withoutOne },
  inject: { spoil: withoutOne },
  errnos: { spoil: withoutOne },
  full: { spoil: withoutOne },
  kill: { spoil: withoutOne },
  recover: { spoil: withoutOne },
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
