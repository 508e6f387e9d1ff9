/**
 * Compares what a directory shows with what its process wrote before it failed, was killed, or lost its power.
 * `survives` says whether the event of an ack has to be there. Only the end of the log may be missing, and if any of it
 * had been acknowledged or seen, the epoch must be new.
 *
 * @returns the problems, each beginning with a word for its kind
 */
export function judgeLedger(ledger, observed, survives) {
  if (observed.refused !== undefined) return [`refused: ${observed.refused}`];
  const events = observed.shards.flatMap((one) => one.events);
  const stored = new Map(events.map((event) => [event.id, event]));
  return [
    ...errorsOf(observed),
    ...observed.shards.flatMap((one, shard) => seamsOf(one, shard, ledger)),
    ...(stored.size < events.length ? ['repeated: an id is stored twice'] : []),
    ...wrongOf(ledger, events),
    ...misplacedOf(ledger, events),
    ...lostOf(ledger, observed, stored, survives),
    ...laterProblems(ledger, observed, stored),
    ...counterProblems(ledger, observed),
  ];
}

/** Compares a copy with the events that it was made from: all must be there, each topic's in its order. */
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

/** Readings that failed, and errors that `verify` found. */
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

/**
 * Findings that a power cut may cause: a log that lost its end, as it says until it is opened, and a directory that was
 * never made.
 */
function isOfPowerCut(finding) {
  return /: it ends at \d+: |there is no (manifest|such directory)/.test(finding);
}

function seamsOf({ head, events, readings, pruned }, shard, { keep }) {
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
  const isPruned = keep !== undefined || Object.values(pruned).some((through) => through > 0);
  const hole = events.findIndex(({ sequence }, index) => sequence !== index + 1);
  if (!isPruned && (hole >= 0 || events.length !== head))
    problems.push(`hole: shard ${shard} has ${events.length} events up to ${head}`);
  return problems;
}

/** Stored events that were never published, were altered, or had been refused. */
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

/** An event that is not in the order in which its topic's events were published. */
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
    const { topic } = ledger.attempts.get(id);
    if (sequence <= (pruned[topic] ?? 0) || isCompacted(ledger, stored, topic, sequence)) continue;
    if (durability !== undefined && survives(shown)) problems.push(`lost: ${where}`);
    else if (sequence <= head) problems.push(`hole: ${where}`);
    else if (epoch === observed.epoch) problems.push(`same epoch: ${where} is gone`);
  }
  return problems;
}

/** Whether as many newer events of its topic are there as a compaction keeps. */
function isCompacted({ keep }, stored, topic, sequence) {
  if (keep === undefined) return false;
  const newer = [...stored.values()].filter(
    (event) => event.topic === topic && event.sequence > sequence,
  );
  return newer.length >= keep;
}

/** A publish that waits is there until its event is, and then no longer. */
function laterProblems({ waits, attempts }, { shards }, stored) {
  const waiting = shards.flatMap(({ later }) => later?.waiting ?? []);
  const problems = shards
    .flatMap(({ later }) => later?.damaged ?? [])
    .map((one) => `later: ${one}`);
  for (const id of waits) {
    const places = waiting.filter((one) => one === id).length + (stored.has(id) ? 1 : 0);
    if (places === 0) problems.push(`lost: ${id}, which waited`);
  }
  for (const id of new Set(waiting)) {
    if (!attempts.has(id)) problems.push(`phantom: ${id} waits`);
    if (stored.has(id)) problems.push(`repeated: ${id} waits, and is stored`);
  }
  if (new Set(waiting).size < waiting.length) problems.push('repeated: an id waits twice');
  return problems;
}

/** A counter is what was told last, or one that was being stored; events in the same commits are as many. */
function counterProblems({ counters }, { shards }) {
  const problems = [];
  for (const { name, shard, least, most } of counters.values()) {
    const { later, taken, events } = shards[shard];
    if (typeof taken === 'string') return [`unreadable: ${taken}`];
    const lane = taken.find(([consumer]) => consumer === name);
    const fired = later.fired.find(([schedule]) => schedule === name);
    const found = lane?.[1] ?? fired?.[1] ?? 0;
    if (found < least || found > most)
      problems.push(`lost: ${name} of shard ${shard} counts ${found}, not ${least} to ${most}`);
    if (lane === undefined) continue;
    const acks = events.filter(({ id }) => id.includes(`_ack${shard}_`)).length;
    if (acks !== found) problems.push(`split: ${found} acks and ${acks} events of one commit each`);
    if (lane[2] !== Math.floor(found / 3)) problems.push(`split: ${found} acks, ${lane[2]} dead`);
  }
  return problems;
}
