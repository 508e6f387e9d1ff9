import { join } from 'node:path';
import { Campaign } from './campaign.js';
import { judgeLedger } from './judge-ledger.js';
import { writeImage } from './power-cut.js';
import { Random } from './random.js';
import { Recording } from './recording.js';
import { compileShim } from './shim.js';
import { failureOf, SubjectProxy } from './subject-proxy.js';

/**
 * Cuts the power. A process works on a disk that keeps a record (`disk.c`). Images are made of the states that the disk
 * may have at any point of the record (`power-cut.js`), as on a machine that has booted since. Each image is opened and
 * compared with what the process had reported by then. No event acknowledged as synced may be missing, and if any event
 * that was acknowledged or seen is, the epoch must be new. The images of one record are made in the order of its points,
 * so that the record is gone through once for all of them.
 */
const IMAGES_PER_RECORD = 100;
const CASE_MS = 600_000;

/** As `power`, of a process whose payloads mostly lie in files. */
export function payloads(options) {
  return power({ ...options, name: 'payloads', call: 'workOnPayloads' });
}

export async function power({
  count,
  seed,
  folder,
  say,
  until,
  recording,
  forgets,
  name = 'power',
  call = 'work',
}) {
  const campaign = new Campaign({ name, seed, folder, lanes: 1, say, until });
  const library = recording === undefined ? compileShim(folder) : undefined;
  const recordings = new Recordings({ campaign, library, forgets, call, given: recording });
  const subject = new SubjectProxy();
  await campaign.run(count, {
    closeLane: () => subject.end(),
    numberOf: orderOf(count, seed),
    playCase: async (number, caseSeed, into) => {
      const kept = await recordings.of(Math.floor(number / IMAGES_PER_RECORD));
      const again = `--recording ${kept.folder}`;
      const { image, how, ledger } = cut(kept, into, new Random(caseSeed));
      const options = { dir: join(image, 'data'), depth: 'logs' };
      const outcome = await subject.ask('observe', options, CASE_MS);
      const judged = judgeImage(ledger, outcome);
      const recoveryMs = outcome.value?.openMs;
      campaign.tally({ acked: ledger.acks.size, recoveryMs }, judged.problems);
      return { ...judged, problems: judged.problems.map((text) => `${how}: ${text}`), again };
    },
  });
  recordings.end();
  say(campaign.summary('images', { 'acknowledged events in them': campaign.tallied.acked }));
  return campaign;
}

/** The recordings of the groups of cases, one at a time; one in which a case failed is kept. */
class Recordings {
  #options;
  #group;
  #kept;
  #failures = 0;

  constructor(options) {
    this.#options = options;
  }

  async of(group) {
    if (this.#group === group) return this.#kept;
    const { campaign, given, ...how } = this.#options;
    this.end();
    this.#group = group;
    this.#failures = campaign.failures.length;
    const seed = (campaign.seed + group * IMAGES_PER_RECORD) >>> 0;
    this.#kept =
      given === undefined
        ? await Recording.make({ ...how, folder: campaign.folder, seed })
        : (this.#kept ?? new Recording(given));
    return this.#kept;
  }

  end() {
    const { campaign, given } = this.#options;
    const isNeeded = campaign.failures.length > this.#failures;
    if (given === undefined && !isNeeded) this.#kept?.remove();
  }
}

/** The cases of each group by the point of the record at which they cut the power. */
function orderOf(count, seed) {
  const groups = new Map();
  return (turn) => {
    const first = turn - (turn % IMAGES_PER_RECORD);
    if (!groups.has(first)) {
      groups.clear();
      const length = Math.min(IMAGES_PER_RECORD, count - first);
      const numbers = Array.from({ length }, (_, index) => first + index);
      const shareOf = (number) => new Random((seed + number) >>> 0).next();
      groups.set(
        first,
        numbers.sort((a, b) => shareOf(a) - shareOf(b)),
      );
    }
    return groups.get(first)[turn - first];
  };
}

/** Cuts the power at a random point of the record. */
function cut(recording, into, random) {
  const { length } = recording.changes;
  // The first number that is drawn decides the order of the cases.
  const end = 1 + random.below(length);
  const { disk, ledger } = recording.to(end);
  const image = join(into, 'image');
  return {
    image,
    how: `cut after ${end} of ${length} changes, ${writeImage(disk, image, random)}`,
    ledger,
  };
}

function judgeImage(ledger, outcome) {
  const failure = failureOf(outcome, 'opened');
  if (failure !== undefined) return { verdict: failure.split(':')[0], problems: [failure] };
  const observed = outcome.value;
  const problems = judgeLedger(ledger, observed, ({ durability }) => durability === 'synced');
  if (problems.length > 0) return { verdict: problems[0].split(':')[0], problems };
  const isCut = ledger.isOpen && ledger.epoch !== observed.epoch;
  return { verdict: isCut ? 'new epoch' : 'whole', problems };
}
