import { spawnSync } from 'node:child_process';
import { ROOT } from './outcomes.js';

/**
 * Where a mutant that was drawn from the code of an earlier commit stands now.
 *
 * @template {import('./outcomes.js').Place & { file: string }} Mutant
 * @param {Mutant} mutant
 * @param {string} commit
 * @returns {Mutant | undefined} undefined, if its lines have changed since
 */
export function moved(mutant, commit) {
  const args = ['diff', '--unified=0', '--no-color', commit, '--', mutant.file];
  const { status, stdout, stderr } = spawnSync('git', args, { cwd: ROOT, encoding: 'utf8' });
  if (status !== 0) throw new Error(`git diff ${commit}: ${stderr}`);
  const at = movedPlace(stdout, mutant.at);
  const to = movedPlace(stdout, mutant.to);
  const isWhole = at?.shift === to?.shift;
  return at && to && isWhole ? { ...mutant, at: at.place, to: to.place } : undefined;
}

/**
 * @param {string} diff of one file, without lines around its changes
 * @param {string} place `12:3`
 */
export function movedPlace(diff, place) {
  const [line, column] = place.split(':').map(Number);
  let shift = 0;
  for (const [, from, gone = '1', , come = '1'] of diff.matchAll(
    /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/gm,
  )) {
    // A change that only adds lines stands behind the line that it names.
    const first = Number(gone) === 0 ? Number(from) + 1 : Number(from);
    if (line < first) break;
    if (line < first + Number(gone)) return undefined;
    shift += Number(come) - Number(gone);
  }
  return { place: `${line + shift}:${column}`, shift };
}
