/** Calls that go over the whole log: reading it, and removing from it. */
const READS_FAIL_WITH = ['BUS_CLOSED', 'STORE_FAILED', 'SHARD_RESTARTED'];
const PRUNES_FAIL_WITH = [...READS_FAIL_WITH, 'STORE_FULL'];

export async function prune(endpoint, { pattern, maxEvents }, history) {
  try {
    await endpoint.prune({ pattern, maxEvents });
  } catch (error) {
    if (!PRUNES_FAIL_WITH.includes(error?.code))
      history.problem(`a prune failed: ${error?.code} ${error?.stack}`);
  }
}

export async function read(endpoint, history) {
  const last = new Map();
  try {
    for await (const { shard, sequence, payload } of endpoint.read({ topic: '*' })) {
      if (sequence <= (last.get(shard) ?? 0))
        history.problem('a read went backwards', 'misordered');
      last.set(shard, sequence);
      if (history.publishes[payload.n] === undefined) history.problem('a read made something up');
    }
  } catch (error) {
    if (!READS_FAIL_WITH.includes(error?.code))
      history.problem(`a read failed: ${error?.code} ${error?.stack}`);
  }
}
