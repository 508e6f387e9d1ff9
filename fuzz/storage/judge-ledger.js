/**
 * Holds what can be seen of a directory against what its process said before it failed, was killed, or lost its power.
 * `survives` says of an ack whether its event has to be there; nothing else may be missing but the end, and if somebody
 * has seen of that, the epoch is a new one.
 *
 * @returns what is wrong, each with a word that names its kind
 */
export function judgeLedger(ledger, observed, survives) {
  if (observed.refused !== undefined) return [`refused: ${observed.refused}`];
  const events = observed.shards.flatMap((one) => one.events);
  const stored = new Map(events.map((event) => [event.id, event]));
  return [
    ...errorsOf(observed),
    ...observed.shards.flatMap(seamsOf),
    ...(stored.size < events.length ? ['repeated: an id is stored twice'] : []),
    ...wrongOf(ledger, events),
    ...misplacedOf(ledger, events),
    ...lostOf(ledger, observed, stored, survives),
  ];
}

/** Holds a copy against the events that it was made of: all are there, in the order that each topic had. */
export function judgeCopy(events, observed) {
  if (observed.refused !== undefined) return [`copy refused: ${observed.refused}`];
  const copied = observed.shards.flatMap((one) => one.events);
  const problems =
    copied.length === events.length ? [] : [`copy: ${copied.length} of ${events.length}`];
  for (const topic of new Set(events.map((event) => event.topic))) {
    const textOf = (list) =>
      list.flatMap((one) => (one.topic === topic ? `${one.id} ${one.payload}` : [])).join();
    if (textOf(copied) !== textOf(events)) problems.push(`copy: ${topic} is not the same`);
  }
  return problems;
}

/** No way of reading fails, and all give the same. */
function errorsOf({ shards, verify }) {
  const problems = shards.flatMap(({ readings }) =>
    Object.entries(readings).flatMap(([name, { error }]) =>
      error === undefined ? [] : [`unreadable: ${name}: ${error}`],
    ),
  );
  for (const finding of verify.filter((one) => !isOfPowerCut(one)))
    problems.push(`verify: ${finding}`);
  return problems;
}

/** Before it was opened, a log that lost its end says so, and a directory that was never made is none. */
function isOfPowerCut(finding) {
  return /: it ends at \d+: |there is no (manifest|such directory)/.test(finding);
}

function seamsOf({ head, events, readings, pruned }, shard) {
  const problems = [];
  const forward = readings.forward.keys;
  const topics = Object.entries(readings).filter(([name]) => name.startsWith('topic '));
  const sum = topics.reduce((count, [, { keys }]) => count + keys.length, 0);
  if (readings.backward.keys.toReversed().join() !== forward.join())
    problems.push(`readers: shard ${shard} backward is not forward turned round`);
  if (readings.feed.keys.join() !== forward.join())
    problems.push(`readers: shard ${shard}, subscriptions are fed with something else`);
  if (sum !== 2 * forward.length)
    problems.push(`readers: shard ${shard} by topic gives ${sum / 2}`);
  const isPruned = Object.values(pruned).some((through) => through > 0);
  const hole = events.findIndex(({ sequence }, index) => sequence !== index + 1);
  if (!isPruned && (hole >= 0 || events.length !== head))
    problems.push(`hole: shard ${shard} has ${events.length} events up to ${head}`);
  return problems;
}

/** What is stored was published, as it is, and was not refused. */
function wrongOf(ledger, events) {
  return events.flatMap(({ id, topic, payload }) => {
    const attempt = ledger.attempts.get(id);
    if (attempt === undefined) return [`phantom: ${id} was never published`];
    if (attempt.topic !== topic || attempt.digest !== payload) return [`altered: ${id}`];
    const code = ledger.refusals.get(id);
    const isDefinite = code !== undefined && code !== 'PUBLISH_UNKNOWN';
    return isDefinite ? [`refused, and stored: ${id} (${code})`] : [];
  });
}

/** Within a topic, in the order in which they were published. */
function misplacedOf(ledger, events) {
  const last = new Map();
  for (const { id, topic } of events) {
    const order = ledger.attempts.get(id)?.order ?? -1;
    if (order < (last.get(topic) ?? -1)) return [`order: ${id} on ${topic} comes late`];
    last.set(topic, order);
  }
  return [];
}

function lostOf(ledger, observed, stored, survives) {
  const problems = [];
  for (const [id, shown] of [...ledger.seen, ...ledger.acks]) {
    const { shard, sequence, durability, epoch } = shown;
    const event = stored.get(id);
    const { head, pruned } = observed.shards[shard] ?? { head: 0, pruned: {} };
    const where = `${id} at ${shard}:${sequence} (${durability ?? 'seen'}), head ${head}`;
    if (event !== undefined) {
      if (event.shard !== shard || event.sequence !== sequence) problems.push(`moved: ${where}`);
      continue;
    }
    if (sequence <= (pruned[ledger.attempts.get(id).topic] ?? 0)) continue;
    if (durability !== undefined && survives(shown)) problems.push(`lost: ${where}`);
    else if (sequence <= head) problems.push(`hole: ${where}`);
    else if (epoch === observed.epoch) problems.push(`same epoch: ${where} is gone`);
  }
  return problems;
}
