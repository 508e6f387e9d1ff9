import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Puts the files that take longest at the beginning, so that none of them runs alone at the end. Vitest itself knows how
 * long files took only where it has run them before; on a clean clone it goes by their sizes, and some of these are
 * small. A file that is missing here runs in its usual place.
 */
const LONGEST = [
  'faults/campaigns',
  'gateway/expiry/writing-doors',
  'bus/model',
  'dashboard/stream-strain',
  'store/storage-campaign',
  'bus/archive',
  'sinks/kills',
  'dashboard/overview',
  'dashboard/stream',
  'cli/usage',
  'client/consumer-kills',
  'cli/backup',
  'sim/simulation',
  'cli/round-trip',
  'dashboard/grants',
  'bus/requests/requests',
  'dashboard/barriers',
  'dashboard/publish',
  'dashboard/topics',
  'dashboard/xss',
  'bus/closing',
  'bus/delivery',
  'dashboard/demo',
  'sinks/forward/forward',
  'store/sqlite/payloads/claimed-payloads.property',
  'bus/idle-exit',
  'bus/large-payloads',
];

const places = new Map(LONGEST.map((name, place) => [name, place]));

export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const usual = await super.sort(files);
    return usual.toSorted((one, other) => placeOf(one) - placeOf(other));
  }
}

function placeOf({ moduleId }: TestSpecification): number {
  const [, name = ''] = /\/test\/(.*)\.test\.ts$/.exec(moduleId) ?? [];
  return places.get(name) ?? LONGEST.length;
}
