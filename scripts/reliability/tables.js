import {
  CAMPAIGNS_OF,
  CHECK_ROWS,
  CLUSTER_FAULTS,
  CLUSTERS,
  COMMANDS,
  FAULT_ROWS,
  GAME_ROWS,
} from './rows.js';

/**
 * The tables that are made of the results of campaigns.
 *
 * @typedef {import('../../fuzz/record-result.js').Result} Result
 * @typedef {import('./rows.js').Row} Row
 */

const NOTHING = '—';

/** @param {Result[]} results */
export function faultTable(results) {
  const head = [
    'fault',
    'injections',
    'more in soaks',
    'acked',
    'lost',
    'repeated',
    'misordered',
    'undetected',
    'problems',
    'recovery p50 / p99',
    'what the count says',
  ];
  const rows = FAULT_ROWS.map((row) => {
    const runs = runsOf(row, results);
    if (runs.length === 0) return notRun(row, head.length);
    const sum = (name) => count(sumOf(runs, name));
    return [
      row.title,
      sum('injections'),
      count(withinOf(row, results)),
      sum('acked'),
      sum('lost'),
      sum('repeated'),
      sum('misordered'),
      sum('undetected'),
      sum('problems'),
      recoveryOf(runs),
      boundOf(row, runs),
    ];
  });
  return table(head, rows);
}

/** @param {Result[]} results */
export function castTable(results) {
  const head = ['what plays', 'cases', 'injections', 'acked', 'problems', 'what the count says'];
  const rows = GAME_ROWS.map((row) => {
    const runs = runsOf(row, results);
    if (runs.length === 0) return notRun(row, head.length);
    const sum = (name) => count(sumOf(runs, name));
    const cases = count(trialsOf(row, runs));
    return [row.title, cases, sum('injections'), sum('acked'), sum('problems'), boundOf(row, runs)];
  });
  return table(head, rows);
}

/** Rounds on clusters that have noted how many faults they had of each kind. @param {Result[]} results */
export function clusterTable(results) {
  const head = [
    'broker',
    'server',
    'rounds',
    'not judged',
    'minutes',
    'acked',
    'problems',
    ...Object.values(CLUSTER_FAULTS),
  ];
  const rows = Object.entries(CLUSTERS).flatMap(([campaign, title]) => {
    const noted = results.filter((run) => run.campaign === campaign && run.server !== undefined);
    const servers = [...new Set(noted.map(({ server }) => server))].sort();
    if (servers.length === 0) return [notRun({ title }, head.length)];
    return servers.map((server) => rowOf(title, server, noted));
  });
  return table(head, rows);

  /** @param {string} title @param {string | undefined} server @param {Result[]} noted */
  function rowOf(title, server, noted) {
    const runs = noted.filter((run) => run.server === server);
    const unjudged = runs.reduce((sum, run) => sum + (run.unjudged ?? 0), 0);
    const judged = count(seedsOf(runs) - unjudged);
    const kinds = Object.keys(CLUSTER_FAULTS).map((kind) =>
      count(runs.reduce((sum, run) => sum + (run.kinds?.[kind] ?? 0), 0)),
    );
    const minutes = count(Math.round(sumOf(runs, 'seconds') / 60));
    const [acked, problems] = ['acked', 'problems'].map((name) => count(sumOf(runs, name)));
    return [title, server ?? '', judged, count(unjudged), minutes, acked, problems, ...kinds];
  }
}

/** @param {Result[]} results */
export function checkTable(results) {
  const head = ['what is built in', 'built in', 'found', 'not found', 'wrong for another reason'];
  const rows = CHECK_ROWS.map((row) => {
    const runs = runsOf(row, results);
    if (runs.length === 0) return notRun(row, head.length);
    const planted = sumOf(runs, 'injections');
    const missed = sumOf(runs, 'undetected');
    const others = sumOf(runs, 'problems') - missed;
    return [row.title, count(planted), count(planted - missed), count(missed), count(others)];
  });
  return table(head, rows);
}

/** @param {Result[]} results */
export function runTable(results) {
  const head = ['row', 'command', 'reach', 'seeds', 'runs', 'commits', 'Node', 'SQLite', 'kernel'];
  const rows = [...FAULT_ROWS, ...GAME_ROWS, ...CHECK_ROWS].map((row) => {
    const runs = runsOf(row, results);
    const texts = (name) => [...new Set(runs.map((run) => run[name]))].sort().join(', ') || NOTHING;
    return [
      row.title,
      commandsOf(row, runs),
      row.reach.map((reach) => reachOf(reach, runs, withinOf(row, results))).join('; '),
      runs.length === 0 ? NOTHING : count(seedsOf(runs)),
      runs.length === 0 ? NOTHING : count(runs.length),
      texts('commit'),
      texts('node'),
      texts('sqlite'),
      texts('kernel'),
    ];
  });
  return table(head, rows);
}

/** @param {string[]} head @param {string[][]} rows */
export function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

/** @param {number} value */
export function count(value) {
  return value.toLocaleString('en-US');
}

/** @param {Row} row @param {Result[]} results */
function runsOf({ fault }, results) {
  return results.filter((result) => result.fault === fault);
}

/** @param {Result[]} runs */
function sumOf(runs, name) {
  return runs.reduce((sum, run) => sum + run[name], 0);
}

/** How many faults of this row runs of other rows had. @param {Row} row @param {Result[]} results */
function withinOf({ fault }, results) {
  return results.reduce((sum, { within }) => sum + (within?.[fault] ?? 0), 0);
}

/** @param {{ title: string }} row @param {number} columns */
function notRun({ title }, columns) {
  return [title, 'nothing was recorded yet', ...Array(columns - 2).fill('')];
}

/** The slowest of the runs: percentiles of several runs have no sum. */
function recoveryOf(runs) {
  const times = runs.flatMap(({ recoveryMs }) => recoveryMs ?? []);
  if (times.length === 0) return NOTHING;
  const longest = (name) => count(Math.round(Math.max(...times.map((time) => time[name]))));
  return `${longest('p50')} / ${longest('p99')} ms`;
}

/** The rule of three where there was no problem. @param {Row} row @param {Result[]} runs */
function boundOf(row, runs) {
  const trials = trialsOf(row, runs);
  const problems = sumOf(runs, 'problems');
  if (trials === 0) return NOTHING;
  if (problems > 0) return `${count(problems)} in ${count(trials)}`;
  return `0 in ${count(trials)}: ${trials > 3 ? `below ${share(3 / trials)}` : 'too few to say'}`;
}

/** A share with two digits that count. */
function share(value) {
  const percent = value * 100;
  return `${percent >= 1 ? percent.toPrecision(2) : String(Number(percent.toPrecision(2)))} %`;
}

/** @param {Row} row @param {Result[]} runs */
function trialsOf({ trials }, runs) {
  return trials === 'seeds' ? seedsOf(runs) : sumOf(runs, 'injections');
}

/** @param {Result[]} runs */
function seedsOf(runs) {
  return runs.reduce((sum, { seeds }) => sum + seeds[1], 0);
}

/** @param {import('./rows.js').Reach} reach @param {Result[]} runs @param {number} within */
function reachOf({ count: least, words, of, by }, runs, within) {
  if (least === undefined) return words;
  const counted = of === undefined ? runs : runs.filter((run) => of.includes(run.campaign));
  let done = sumOf(counted, 'injections') + (of === undefined ? within : 0);
  if (by === 'seeds') done = seedsOf(counted);
  if (by === 'longest run')
    done = Math.max(0, ...counted.map(({ seconds }) => Math.floor(seconds)));
  const named = `${count(least)} ${words}`;
  if (done >= least) return `${named}: reached, ${count(done)}`;
  return `${named}: ${count(done)} so far, ${count(least - done)} short`;
}

/** @throws Error if nobody has said how a campaign is run */
function commandsOf({ fault }, runs) {
  const names = new Set([...(CAMPAIGNS_OF[fault] ?? []), ...runs.map(({ campaign }) => campaign)]);
  const commands = [...names].map((name) => {
    if (name in COMMANDS) return `\`${COMMANDS[name]}\``;
    throw new Error(`say in scripts/reliability/rows.js by which command '${name}' is run`);
  });
  return commands.join('<br>') || 'none yet';
}
