import { comparison } from './totals.js';

/** The demo's final report, as text for a person or as JSON for a program. */

/**
 * @typedef {object} Result
 * @property {string} run
 * @property {number} seconds
 * @property {import('./tree.js').Tree} tree
 * @property {import('./pool.js').ScanPool} pool
 * @property {import('./totals.js').Totals} live
 * @property {import('./totals.js').Totals} replayed
 * @property {string[]} wrong
 */

/** @param {Result} result */
export function asJson({ run, seconds, tree, pool, live, replayed, wrong }) {
  const { groups, ...counts } = tree;
  const totals = (
    /** @type {import('./totals.js').Totals} */ { events, fingerprint, byType, byTopic },
  ) => ({
    events,
    fingerprint,
    types: Object.fromEntries(byType),
    topics: Object.fromEntries(byTopic),
  });
  return {
    run,
    seconds,
    tree: { ...counts, sizes: groups.length },
    crashes: pool.crashes,
    repeats: pool.repeats,
    live: totals(live),
    replayed: totals(replayed),
    agree: wrong.length === 0,
    wrong,
  };
}

/** @param {Result} result */
export function asText({ seconds, tree, pool, live, replayed, wrong }) {
  const { files, bytes, links, others, unreadable } = tree;
  return [
    '',
    `${files} files, ${mebibytes(bytes)} MiB, in ${seconds.toFixed(1)} s; not followed: ${links} links; ` +
      `passed over: ${others} special files, ${unreadable} unreadable`,
    ...(tree.complete
      ? []
      : ['the tree is larger than the limits of this demo: part of it was left out']),
    `workers that crashed and were replaced: ${pool.crashes}; findings published twice and stored once: ${pool.repeats}`,
    '',
    'the last findings:',
    ...live.latest.map((line) => `  ${line}`),
    '',
    comparison('type', 'byType', live, replayed),
    '',
    comparison('topic', 'byTopic', live, replayed),
    '',
    wrong.length === 0
      ? `live and replayed agree: ${live.events} events`
      : `live and replayed DIFFER:\n${wrong.map((line) => `  ${line}`).join('\n')}`,
  ].join('\n');
}

/** @param {number} bytes */
export function mebibytes(bytes) {
  return (bytes / 2 ** 20).toFixed(1);
}
