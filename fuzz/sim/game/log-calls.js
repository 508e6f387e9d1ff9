/** Calls that go over the whole log: reading it, and removing from it. */
const PRUNES_FAIL_WITH = ['BUS_CLOSED', 'SHARD_RESTARTED', 'STORE_FAILED', 'STORE_FULL'];
/** A client's gateway may end. */
const CLIENTS_READS_FAIL_WITH = ['BUS_CLOSED', 'STORE_FAILED', 'SHARD_RESTARTED'];

export async function prune(endpoint, { pattern, maxEvents }, history) {
  history.removesFrom = Math.min(history.removesFrom, history.tick());
  try {
    await endpoint.prune({ pattern, maxEvents });
  } catch (error) {
    if (!PRUNES_FAIL_WITH.includes(error?.code))
      history.problem(`a prune failed: ${error?.code} ${error?.stack}`);
  }
}

export async function read(endpoint, history, isRemote) {
  const last = new Map();
  try {
    for await (const event of endpoint.read({ topic: '*' })) {
      const { shard, sequence } = event;
      const n = history.schedules.numberOf(event);
      if (sequence <= (last.get(shard) ?? 0))
        history.problem('a read went backwards', 'misordered');
      last.set(shard, sequence);
      if (history.publishes[n] === undefined) history.problem('a read made something up');
      history.reads.push({ shard, sequence, n, epoch: endpoint.epoch, isRemote });
    }
  } catch (error) {
    const { code } = error ?? {};
    const isExcused = isRemote
      ? CLIENTS_READS_FAIL_WITH.includes(code)
      : code === 'SHARD_RESTARTED' || (code === 'STORE_FAILED' && history.storeMayFail);
    if (!isExcused) history.problem(`a read failed: ${error?.code} ${error?.stack}`);
  }
}
