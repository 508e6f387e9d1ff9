import { count, table } from './tables.js';

/**
 * The list of faults that were found, `fuzz/found.md`, and the tables that are made of it.
 *
 * @typedef {object} Found
 * @property {string} date When it was mended, as YYYY-MM-DD.
 * @property {string} kind One of `KINDS`.
 * @property {string} fault
 * @property {string} since
 * @property {string} finder One of `FINDERS`.
 * @property {string} foundBy The finder, and after a colon which one.
 * @property {string} mendedIn The hash of the commit and its subject, or its subject alone.
 * @property {string} command
 */

/** Each kind of fault, and what it means to the one who meets it. */
export const KINDS = {
  lost: 'an event, a job or a letter is gone, or was passed over',
  repeated: 'an event, a job or its effect came twice',
  misordered: 'events came in another order than promised, or at another time',
  'told wrong': 'an ack, a refusal, a gap, a position or a count says what is not so',
  hang: 'somebody waits for ever, or for far too long',
  crash: 'a thread, a process or a part ends, or is given up, without need',
  growth: 'memory, disk, handles or work without a bound',
  stall: 'one user, event or row holds up others',
  access: 'somebody reads or does what nobody granted',
  damage: 'damage is not noticed, or stops more than it concerns',
  wrong: 'any other wrong answer',
};

export const FINDERS = {
  outsider: 'the first campaign from outside',
  review: 'reading the code, mostly by somebody who had not written it',
  test: 'a test that was written for something else, or to know',
  model: 'a model or a property, in random games',
  campaign: 'fuzzers, games of kills, the storage campaign',
  checker: 'the checker of histories',
  simulation: 'deterministic simulation',
  'red team': 'the red team',
  bench: 'a bench',
  use: 'using it: newcomers, operators, other Nodes and browsers',
};

/** A fault whose mending no test covers says so. */
const COMMAND = /^(`(npx vitest run|node|npm run) .+`|no test)$/;
const COLUMNS = ['date', 'kind', 'fault', 'since', 'found by', 'mended in', 'shown by'];

/**
 * @param {string} text
 * @returns {Found[]}
 * @throws Error that names each line which is none
 */
export function parseFound(text) {
  const faults = [];
  const found = [];
  const lines = text.split('\n');
  const head = lines.findIndex((line) => cellsOf(line).join() === COLUMNS.join());
  if (head < 0) throw new Error(`found.md has no table with the columns ${COLUMNS.join(', ')}`);
  for (const [at, line] of lines.entries()) {
    if (at <= head + 1 || line.trim() === '') continue;
    const cells = cellsOf(line);
    const [date, kind, fault, since, foundBy, mendedIn, shownBy] = cells;
    const command = commandOf(shownBy);
    const finder = foundBy?.split(':')[0];
    const fail = (words) => faults.push(`line ${at + 1}: ${words}`);
    if (cells.length !== COLUMNS.length) fail(`${cells.length} cells, not ${COLUMNS.length}`);
    else if (cells.includes('')) fail('an empty cell');
    else if (!/^\d{4}-\d\d-\d\d$/.test(date)) fail(`${date} is no date`);
    else if (!(kind in KINDS)) fail(`${kind} is none of ${Object.keys(KINDS).join(', ')}`);
    else if (!(finder in FINDERS)) fail(`${finder} is none of ${Object.keys(FINDERS).join(', ')}`);
    else if (/\d{4}-\d\d-\d\d$/.test(mendedIn)) fail('the date stands twice');
    else if (!COMMAND.test(command)) fail(`${command} is no command`);
    else if (date < (found.at(-1)?.date ?? '')) fail('it is older than the line before it');
    else found.push({ date, kind, fault, since, finder, foundBy, mendedIn, command });
  }
  if (faults.length > 0) throw new Error(`fuzz/found.md:\n${faults.join('\n')}`);
  return found;
}

/** @param {Found[]} found */
export function foundCounts(found) {
  const dates = new Set(found.map(({ date }) => date));
  const [first = 'today', last = 'today'] = [[...dates][0], [...dates].at(-1)];
  const bare = found.filter(({ command }) => command === 'no test').length;
  const untested = bare === 0 ? '' : ` No test covers ${count(bare)} of them; the others name one.`;
  return `${count(found.length)} faults were found and mended from ${first} to ${last}.${untested}`;
}

/** A row for each kind, a column for each finder that found anything. @param {Found[]} found */
export function foundByKind(found) {
  const finders = Object.keys(FINDERS).filter((name) =>
    found.some(({ finder }) => finder === name),
  );
  const rowOf = (title, those) => {
    const numbers = finders.map((name) => those.filter(({ finder }) => finder === name).length);
    return [
      title,
      count(those.length),
      ...numbers.map((number) => (number === 0 ? '' : count(number))),
    ];
  };
  const rows = Object.entries(KINDS).map(([kind, meaning]) =>
    rowOf(`**${kind}**: ${meaning}`, ofKind(found, kind)),
  );
  const key = finders.map((name) => `- **${name}**: ${FINDERS[name]}`).join('\n');
  const whole = table(['kind', 'all', ...finders], [...rows, rowOf('all', found)]);
  return `${whole}\n\nWho found them:\n\n${key}`;
}

/** The whole list, by kind. @param {Found[]} found */
export function foundRecord(found) {
  const head = ['fault', 'since', 'found by', 'mended in', 'command that reproduces it'];
  return Object.keys(KINDS)
    .map((kind) => {
      const rows = ofKind(found, kind).map((one) => [
        one.fault,
        one.since,
        one.foundBy,
        `${one.mendedIn}, ${one.date}`,
        one.command,
      ]);
      const title = `### ${kind[0].toUpperCase()}${kind.slice(1)}`;
      return `${title}\n\n${rows.length === 0 ? 'None was found.' : table(head, rows)}`;
    })
    .join('\n\n');
}

/** A test may be named by its file, and behind a colon by its name. */
function commandOf(shownBy = '') {
  const [, file] = /^`?(test\/\S+\.test\.ts)`?(: .+)?$/.exec(shownBy) ?? [];
  return file === undefined ? shownBy : `\`npx vitest run ${file}\``;
}

function ofKind(found, kind) {
  return found.filter((one) => one.kind === kind);
}

function cellsOf(line) {
  if (!line.startsWith('|')) return [line];
  return line
    .trim()
    .slice(1, -1)
    .split('|')
    .map((cell) => cell.trim());
}
