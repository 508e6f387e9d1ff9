/** The faults of a plan, each at a place that is known beforehand. */
export function faultsOf(random, shards, endpoints) {
  const count = random.pick([1, 1, 2, 3]);
  const faults = Array.from({ length: count }, () => faultOf(random, shards, endpoints));
  // A thread that follows another one has to doubt a clock that was set before it began.
  const clock = faults.find(({ kind }) => kind === 'clock');
  if (clock !== undefined && random.chance(0.7)) {
    const step = clock.step + random.below(80);
    faults.push({ kind: 'terminate', shard: random.below(shards), step });
  }
  return faults;
}

function faultOf(random, shards, endpoints) {
  const thread = `millrace-shard-${random.below(shards)}`;
  const kind = random.pickWeighted({
    kill: 14,
    statement: 3,
    flush: 1,
    terminate: 2,
    crash: 1,
    clock: 1,
    endpoint: 2,
    reader: 1,
  });
  switch (kind) {
    case 'kill':
      // Many deaths come between two changes of shared memory, or right after a commit, before all of it is told.
      if (random.chance(0.45)) {
        const point = random.pick(['store', 'store', 'exchange', 'notify', 'statement']);
        return { kind, thread, point, at: 1 + Math.floor(random.next() ** 2 * 250) };
      }
      if (random.chance(0.6)) {
        const commit = 1 + Math.floor(random.next() ** 2 * 8);
        return { kind, thread, commit, plus: 1 + Math.floor(random.next() ** 2 * 40) };
      }
      return { kind, thread, at: 1 + Math.floor(random.next() ** 2 * 3000) };
    case 'reader':
      return { kind: 'kill', thread: 'millrace-reader-0', at: 1 + random.below(200) };
    case 'statement':
      return statementOf(random, thread);
    case 'flush':
      return { kind, thread, at: 1 + random.below(8) };
    case 'clock':
      return {
        kind,
        step: random.below(400),
        byMs: random.pick([-3_600_000, -1500, 1500, 3_600_000, 3_600_000, 3_600_000]),
      };
    case 'endpoint':
      return {
        kind,
        thread: `worker-${1 + random.below(Math.max(1, endpoints - 1))}`,
        step: 30 + random.below(300),
      };
    default:
      return { kind, shard: Number(thread.slice(-1)), step: 20 + random.below(300) };
  }
}

function statementOf(random, thread) {
  const code = random.pick([
    'SQLITE_FULL',
    'SQLITE_FULL',
    'SQLITE_IOERR_FSYNC',
    'SQLITE_IOERR_WRITE',
  ]);
  const onCommit = random.chance(0.5) || code === 'SQLITE_IOERR_FSYNC';
  return {
    kind: 'statement',
    thread,
    code,
    onCommit,
    at: 1 + Math.floor(random.next() ** 2 * 250),
    times: code === 'SQLITE_FULL' ? random.pick([1, 3, 20]) : 1,
    left: 1,
    // A full disk tells before it has written anything.
    isDone: code !== 'SQLITE_FULL' && random.chance(0.5),
  };
}
