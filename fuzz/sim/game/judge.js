import { fateOfLater, laterInOrder } from './later.js';
import { lost, misordered, other, repeated } from './problems.js';

/**
 * Compares what everybody was told with the log at the end. @returns {import('./problems.js').Problem[]}
 *
 * @param {import('./history.js').History} history
 * @param {{ shard: number, sequence: number, n: number }[]} log in the order of each shard
 * @param {{ epoch: string, wasCut: boolean, isPruned: boolean }} end `wasCut`: the power failed, so what was only written
 *   may be gone; `isPruned`: events may have been removed
 */
export function judge(history, log, end) {
  const problems = [];
  const stored = new Map();
  for (const row of log) {
    if (stored.has(row.n)) problems.push(repeated(`${row.n} is stored twice`));
    stored.set(row.n, row);
  }
  if (history.retention === undefined) problems.push(...holes(log));
  for (const publish of history.publishes)
    problems.push(...fateOf(publish, stored.get(publish.n), end));
  problems.push(...history.schedules.judge(log));
  problems.push(...laterInOrder(history.publishes, stored));
  problems.push(...ordered(history.publishes, stored), ...groups(history.publishes, stored));
  problems.push(...judgeReads(history, stored, end));
  const known = withPruned(history.publishes, log, stored);
  for (const line of history.lines) problems.push(...judgeLine(line, history, known, end));
  if (history.jobs !== undefined) problems.push(...history.jobs.judge(history.publishes, log));
  return problems;
}

/** The log with the events that were acknowledged and removed. */
function withPruned(publishes, log, stored) {
  const pruned = publishes
    .filter(({ n, persist, status, mayBePruned, ack }) => {
      return mayBePruned && persist && status === 'ok' && ack.sequence > 0 && !stored.has(n);
    })
    .map(({ n, ack }) => ({ shard: ack.shard, sequence: ack.sequence, n, isPruned: true }));
  if (pruned.length === 0) return log;
  return [...log, ...pruned].sort((a, b) => a.shard - b.shard || a.sequence - b.sequence);
}

function holes(log) {
  const problems = [];
  const heads = new Map();
  for (const { shard, sequence } of log) {
    const expected = (heads.get(shard) ?? 0) + 1;
    if (sequence !== expected)
      problems.push(lost(`shard ${shard} has ${sequence} where ${expected} belongs`));
    heads.set(shard, sequence);
  }
  return problems;
}

/** What is acknowledged is there, at the place that was told; what was refused is not. */
function fateOf(publish, row, { wasCut }) {
  const { n, persist, status, ack, code } = publish;
  const mayBeGone = wasCut && publish.durability === 'written' && !publish.isSynced;
  if (status === 'pending') return [other(`publish ${n} was never answered`)];
  if (!persist) return row === undefined ? [] : [other(`the ephemeral ${n} is stored`)];
  if (status === 'fail' && row !== undefined)
    return [other(`${n} was refused (${code}) and is stored`)];
  if (status !== 'ok') return [];
  if (publish.later?.dueAt !== undefined)
    return fateOfLater(publish, row, mayBeGone || publish.mayBePruned);
  if (row === undefined) {
    if (mayBeGone || publish.mayBePruned) return [];
    return [lost(`${n} was acknowledged as ${ack.durability} and is not stored`)];
  }
  if (row.sequence !== ack.sequence || row.shard !== ack.shard) {
    if (mayBeGone) return [];
    const told = `${ack.shard}:${ack.sequence}`;
    return [misordered(`${n} was acknowledged at ${told} and is at ${row.shard}:${row.sequence}`)];
  }
  return [];
}

/**
 * Each publisher's events keep their order on each topic. What is published again may come later, and those that a client
 * sent again over another connection may have been stored over either.
 */
function ordered(publishes, stored) {
  const problems = [];
  const furthest = new Map();
  for (const publish of publishes) {
    const { n, topic, publisher, isRepeated, isResent = false } = publish;
    const row = stored.get(n);
    if (row === undefined || isRepeated || publish.later !== undefined) continue;
    if (publish.fired !== undefined) continue;
    const before = (resent) => furthest.get(`${publisher} ${topic} ${resent}`);
    const bounds = isResent ? [before(false)] : [before(false), before(true)];
    for (const one of bounds) {
      if (one !== undefined && row.sequence < one.sequence)
        problems.push(misordered(`${n} is stored before ${one.n}, which was published first`));
    }
    const alike = before(isResent);
    if (alike === undefined || alike.sequence < row.sequence)
      furthest.set(`${publisher} ${topic} ${isResent}`, row);
  }
  return problems;
}

/** A group is stored whole, side by side, or not at all. */
function groups(publishes, stored) {
  const byGroup = grouped(publishes);
  const problems = [];
  for (const [group, members] of byGroup) {
    const rows = members.map(({ n }) => stored.get(n));
    if (
      members.some((one) => one.isRepeated || one.mayBePruned) ||
      rows.every((row) => row === undefined)
    )
      continue;
    const first = rows[0]?.sequence;
    if (rows.some((row, i) => row?.sequence !== first + i))
      problems.push(other(`the group of ${group} is in pieces`));
  }
  return problems;
}

function grouped(publishes) {
  const byGroup = new Map();
  for (const publish of publishes) {
    if (publish.group === undefined) continue;
    byGroup.set(publish.group, [...(byGroup.get(publish.group) ?? []), publish]);
  }
  return byGroup;
}

function judgeLine(line, { publishes, removesFrom }, log, end) {
  const problems = [];
  const { name, from } = line.move;
  const isThere = ({ shard, sequence, n }) => at(log, shard, sequence)?.n === n;
  const told = line.events.filter(({ sequence }) => sequence !== undefined);
  for (const event of told) {
    if (!isThere(event) && !mayBeGone(event, line.isRemote, publishes, end))
      problems.push(other(`${name} got ${event.n} at ${placeOf(event)}, and it is not there`));
  }
  const kept = told.filter(isThere).filter((event, i, all) => {
    const { durability, isRepeated, isResent, later } = publishes[event.n];
    const isAgain = isRepeated || isResent || later !== undefined;
    const mayComeAgain = end.wasCut && durability !== 'synced' && isAgain;
    return !(mayComeAgain && all.slice(i + 1).some((later) => replaces(later, event)));
  });
  const shards = new Set(log.map(({ shard }) => shard));
  for (const shard of shards) {
    const got = kept.filter((event) => event.shard === shard).map(({ sequence }) => sequence);
    const due = log
      .filter((row) => row.shard === shard && line.matches(publishes[row.n].topic))
      .filter((row) =>
        isDue(line, publishes[row.n], row, from === 'earliest' ? 0 : got[0], removesFrom),
      )
      .map(({ sequence }) => sequence);
    problems.push(...compare(line, shard, got, due));
    if (!end.wasCut && !end.isPruned) problems.push(...passedOver(line, shard, due));
  }
  problems.push(...repeatedOnes(line));
  if (line.tooEarly !== undefined) {
    problems.push(lost(`${name} counted ${line.tooEarly} as consumed while it was at it`));
  }
  return problems;
}

/** Whether somebody may have seen an event of an earlier epoch that is gone, or one that was removed. */
function mayBeGone({ n, epoch }, isRemote, publishes, end) {
  const { durability, mayBePruned } = publishes[n];
  if (mayBePruned) return true;
  // A client may take an event of an earlier connection once it has learnt of the next epoch.
  return end.wasCut && durability !== 'synced' && (isRemote || epoch !== end.epoch);
}

const placeOf = ({ shard, sequence }) => `${shard}:${sequence}`;

/** What a read has shown is there. */
function judgeReads({ reads, publishes }, stored, end) {
  for (const event of reads) {
    const row = stored.get(event.n);
    const isThere = row?.shard === event.shard && row.sequence === event.sequence;
    if (isThere || mayBeGone(event, event.isRemote, publishes, end)) continue;
    return [other(`a read showed ${event.n} at ${placeOf(event)}, and it is not there`)];
  }
  return [];
}

/** A power cut took the earlier event; its place, or one before it, was given again. */
function replaces(later, { shard, sequence, epoch }) {
  return later.shard === shard && later.epoch !== epoch && later.sequence <= sequence;
}

/** What is not stored comes once at most. */
function repeatedOnes({ move, events }) {
  const had = new Set();
  for (const { sequence, n } of events) {
    if (sequence !== undefined) continue;
    if (had.has(n)) return [repeated(`${move.name} got the ephemeral ${n} twice`)];
    had.add(n);
  }
  return [];
}

/** At no time may a subscription count an event as consumed that it has not handed out. */
function passedOver(line, shard, due) {
  if (line.gaps.length > 0) return [];
  const taken = new Map(line.events.map((event, i) => [`${event.shard}:${event.sequence}`, i]));
  for (const look of line.looks) {
    if (look.shard !== shard) continue;
    const missing = due.find(
      (sequence) =>
        sequence <= look.position &&
        (taken.get(`${shard}:${sequence}`) ?? Number.POSITIVE_INFINITY) >= look.taken,
    );
    if (missing !== undefined) {
      const place = `${line.move.name} in shard ${shard}`;
      return [lost(`${place} counted ${missing} as consumed, at ${look.position}, too early`)];
    }
  }
  return [];
}

function isDue(line, publish, row, first, removesFrom) {
  // What was removed before it was ready is not told.
  if (row.isPruned && Math.max(publish.at, removesFrom) <= line.readyAt) return false;
  if (line.move.from === 'earliest') return true;
  if (first !== undefined && row.sequence >= first) return true;
  return line.expects(publish);
}

function compare(line, shard, got, due) {
  const { name, overflow } = line.move;
  const place = `${name} (${overflow}) in shard ${shard}`;
  if (got.some((sequence, i) => i > 0 && sequence <= got[i - 1])) {
    const say = new Set(got).size < got.length ? repeated : misordered;
    return [say(`${place} got ${got.join(' ')}: not in order, or twice`)];
  }
  const isRolledBack = line.gaps.some(({ reason }) => reason !== 'pruned');
  if (line.isLossy || isRolledBack) return [];
  const isWhole = line.subscription !== undefined && line.isReady;
  const last = got.at(-1) ?? 0;
  const wanted = isWhole ? due : due.filter((sequence) => sequence <= last);
  const isTold = (sequence) =>
    line.gaps.some((gap) => gap.shard === shard && gap.from <= sequence && sequence <= gap.to);
  const missing = wanted.filter((sequence) => !got.includes(sequence) && !isTold(sequence));
  if (missing.length === 0) return [];
  return [lost(`${place} misses ${missing.join(' ')} of ${due.length}, has ${got.length}`)];
}

function at(log, shard, sequence) {
  return log.find((row) => row.shard === shard && row.sequence === sequence);
}
