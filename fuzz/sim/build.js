import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { limits } from './limits.js';
import { plants } from './plants.js';

/**
 * A copy of the build for the simulation: its limits are small, so that a short game reaches them, and a fault may be
 * planted into it. `from` of an edit stands once in the built file, but for white space.
 *
 * @param {string} built the folder `dist`
 * @param {string} folder where the copy goes; its files are made anew
 * @param {string | undefined} plant
 * @returns {string} the copy's `dist`
 */
export function buildFor(built, folder, plant) {
  const dist = join(folder, 'dist');
  mkdirSync(folder, { recursive: true });
  cpSync(built, dist, { recursive: true, filter: isNeeded });
  for (const shared of ['package.json', 'node_modules']) {
    symlinkSync(join(dirname(built), shared), join(folder, shared));
  }
  for (const [name, value] of Object.entries(limits)) setLimit(dist, name, value);
  for (const edit of plant === undefined ? [] : plants[plant].edits) change(dist, edit);
  return dist;
}

function isNeeded(file) {
  return (
    !file.endsWith('.map') &&
    !file.endsWith('.d.ts') &&
    !/dist\/(dashboard\/|cli\/|packed\/)/.test(file)
  );
}

function setLimit(dist, name, { file, value }) {
  const path = join(dist, file.includes('/') ? file : join('protocol/limits', file));
  const text = readFileSync(path, 'utf8');
  const pattern = new RegExp(`const ${name} = [^;]+;`);
  if (!pattern.test(text)) throw new Error(`${file} has no ${name}`);
  rmSync(path);
  writeFileSync(path, text.replace(pattern, `const ${name} = ${value};`));
}

function change(dist, edit) {
  const path = join(dist, edit.file);
  const text = readFileSync(path, 'utf8');
  const place = placeOf(text, edit);
  rmSync(path);
  writeFileSync(
    path,
    text.replace(place, () => edit.to),
  );
}

/** The one place of a built file that an edit changes. @throws if there is none, or another one */
export function placeOf(text, { file, from }) {
  const words = from.trim().split(/\s+/);
  const pattern = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('\\s*');
  const places = [...text.matchAll(new RegExp(pattern, 'g'))];
  if (places.length !== 1) throw new Error(`${file} has ${places.length} places with ${from}`);
  return places[0][0];
}
