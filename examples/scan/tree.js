import { lstatSync } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Walks the source tree once and deals its files out in shares, one for each worker.
 *
 * Files of one size make a group, and a group is never split. So the worker that gets a group finds all duplicates in
 * it without the other workers, and keeps the hashes only until the group is done.
 *
 * Symbolic links are counted but not followed, so a loop of them cannot hold up the walk. Files and directories that
 * cannot be read are counted too, and do not end the walk. Memory: one path for each file, at most `FILES_MAX`.
 */

export const FILES_MAX = 500_000;
export const TREE_DEPTH_MAX = 64;

/**
 * @typedef {object} Group Files of one size.
 * @property {number} size bytes
 * @property {string[]} paths relative to the root
 *
 * @typedef {object} Tree
 * @property {Group[]} groups
 * @property {number} files
 * @property {number} bytes
 * @property {number} links symbolic links, not followed
 * @property {number} others sockets, pipes and devices, passed over
 * @property {number} unreadable directories that could not be listed, files that could not be examined
 * @property {boolean} complete false if a limit ended the walk early
 */

/**
 * @param {string} root
 * @param {{ exclude?: readonly string[], signal?: AbortSignal }} [options] `exclude`: absolute directories
 * @returns {Promise<Tree>}
 */
export async function walkTree(root, { exclude = [], signal } = {}) {
  const excluded = new Set(exclude);
  /** @type {Map<number, Group>} */
  const bySize = new Map();
  const tree = { files: 0, bytes: 0, links: 0, others: 0, unreadable: 0, complete: true };
  const pending = [{ path: '', depth: 0 }];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    signal?.throwIfAborted();
    try {
      for await (const entry of await opendir(join(root, at.path))) {
        const path = join(at.path, entry.name);
        if (entry.isFile()) {
          if (tree.files === FILES_MAX)
            return { ...tree, complete: false, groups: [...bySize.values()] };
          addFile(tree, bySize, root, path);
        } else if (entry.isSymbolicLink()) tree.links += 1;
        else if (!entry.isDirectory()) tree.others += 1;
        else if (at.depth === TREE_DEPTH_MAX) tree.complete = false;
        else if (!excluded.has(join(root, path))) pending.push({ path, depth: at.depth + 1 });
      }
    } catch {
      tree.unreadable += 1;
    }
  }
  return { ...tree, groups: [...bySize.values()] };
}

/**
 * @param {{ files: number, bytes: number, unreadable: number }} tree
 * @param {Map<number, Group>} bySize
 * @param {string} root
 * @param {string} path
 */
function addFile(tree, bySize, root, path) {
  const stats = lstatSync(join(root, path), { throwIfNoEntry: false });
  if (stats === undefined) {
    tree.unreadable += 1;
    return;
  }
  const group = bySize.get(stats.size);
  if (group === undefined) bySize.set(stats.size, { size: stats.size, paths: [path] });
  else group.paths.push(path);
  tree.files += 1;
  tree.bytes += stats.size;
}

/**
 * @typedef {object} Share The work of one worker, or of the workers that replace it.
 * @property {Group[]} groups
 * @property {number} files
 * @property {number} cost
 */

/** Opening a file costs about as much as reading this many bytes. */
const FILE_COST_BYTES = 32 * 1024;

/**
 * Deals the groups out so that the shares take about equally long: the largest groups first, each to the share with the
 * lowest cost.
 * @param {Group[]} groups
 * @param {number} count
 * @returns {Share[]}
 */
export function dealShares(groups, count) {
  /** @type {Share[]} */
  const shares = Array.from({ length: count }, () => ({ groups: [], files: 0, cost: 0 }));
  const cost = (/** @type {Group} */ group) => group.paths.length * (group.size + FILE_COST_BYTES);
  for (const group of [...groups].sort((a, b) => cost(b) - cost(a))) {
    const share = shares.reduce((least, other) => (other.cost < least.cost ? other : least));
    share.groups.push(group);
    share.files += group.paths.length;
    share.cost += cost(group);
  }
  return shares;
}
