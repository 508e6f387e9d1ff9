import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * Plants a fault into a copy of a build: the product has no flag for faults. A plant is `{ file, from, to }`, and
 * `edits`, further ones; each `from` stands once in the built file, but for white space.
 *
 * @param {string} built
 * @param {string} folder
 * @param {Edit & { edits?: Edit[] }} plant
 * @returns the folder of the copy
 * @throws Error if a place is not there once
 */
export function plantInto(built, folder, plant) {
  const changed = planted(built, plant);
  const dist = join(folder, 'dist');
  cpSync(built, dist, {
    recursive: true,
    // Not the packed threads, which would run without the fault.
    filter: (path) => !/\.(map|d\.ts)$|\/dist\/packed$/.test(path),
  });
  for (const shared of ['package.json', 'node_modules']) {
    symlinkSync(join(dirname(built), shared), join(folder, shared));
  }
  for (const [file, text] of changed) writeFileSync(join(dist, file), text);
  return dist;
}

/**
 * @typedef {{ file: string, from: string, to: string }} Edit
 *
 * @param {string} built
 * @param {Edit & { edits?: Edit[] }} plant
 * @returns the files of the build that the plant changes, as they become
 * @throws Error as `plantInto` does
 */
export function planted(built, { edits = [], ...edit }) {
  const files = new Map();
  for (const { file, from, to } of [edit, ...edits]) {
    const text = files.get(file) ?? readFileSync(join(built, file), 'utf8');
    files.set(file, changed(text, { file, from, to }));
  }
  return files;
}

function changed(text, { file, from, to }) {
  const words = from.trim().split(/\s+/);
  const pattern = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('\\s*');
  const places = [...text.matchAll(new RegExp(pattern, 'g'))];
  if (places.length !== 1) throw new Error(`${file} has ${places.length} places with ${from}`);
  return text.replace(places[0][0], () => to);
}
