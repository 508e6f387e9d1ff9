import { temporaryDirectory } from '../../bus/support/open.js';
import { memoryBroker, storeOf } from '../../testing/subjects.js';
import { busChecks } from './bus-checks.js';
import type { BusPlace } from './subject.js';

function inADirectory(): BusPlace {
  const dir = temporaryDirectory();
  return { connect: () => storeOf(dir) };
}

busChecks('in a directory', {
  isShared: false,
  durability: 'synced',
  judges: ['expect', 'atomic'],
  killRuns: 0,
  place: inADirectory,
  keeping: (maxEvents) => ({ place: inADirectory(), options: { retention: [{ maxEvents }] } }),
});

busChecks('on a broker in memory', {
  isShared: true,
  durability: 'synced',
  judges: [],
  refusesPrune: 'removes no events',
  refusesRetention: 'has no retention',
  killRuns: 6,
  place(shards) {
    const broker = memoryBroker({ shards });
    return { connect: () => broker.connect(), dispose: () => broker.close() };
  },
});
