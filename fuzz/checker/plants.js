import { plants as ofConsumers } from '../consumers/plants.js';
import { plants as ofDelivery } from './plants/delivery.js';
import { plants as ofLater } from './plants/later.js';
import { plants as ofPublishing } from './plants/publishing.js';
import { plants as ofThreads } from './plants/threads.js';

/**
 * The oracle's own test (C8): faults to build into a copy of the server. The judge has to find each, under the rule that
 * is named: a judge that finds none would not find the fault that nobody planted.
 *
 * @typedef {object} Plant
 * @property {string} rule   the rule that has to find it
 * @property {string} file   the built file; `from` stands there once, but for white space
 * @property {string} from
 * @property {string} to
 * @property {{ file: string, from: string, to: string }[]} [edits]   further changes
 * @property {string[]} [faults]   the faults of the run, without which the fault does not show; none without it
 * @property {number} [ms]         how long the run goes on
 * @property {import('./plan.js').Changes} [changes]  what of the plan is not as the seed says
 * @property {'power'} [by]        it shows only in a power cut (`power.js`)
 */

/** Of the faults of consumers, those that show without knowing what each job was planned to become. */
const JOBS = [
  'an acked event comes again',
  'a failed event is forgotten',
  'keys go side by side',
  'a failed event lets the next of its key pass',
];

const ofJobs = Object.fromEntries(
  JOBS.map((name) => [
    name,
    { ...ofConsumers[name], rule: 'C7', changes: { order: 'attributes.key' } },
  ]),
);

/** @type {Record<string, Plant>} */
export const plants = {
  ...ofPublishing,
  ...ofDelivery,
  ...ofThreads,
  ...ofLater,
  ...ofJobs,
};
