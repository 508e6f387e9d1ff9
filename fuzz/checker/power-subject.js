import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { doorOf } from './actors/doors.js';
import { Publisher } from './actors/publisher.js';
import { Reader } from './actors/reader.js';
import { appender, History } from './history.js';
import { planOf } from './plan.js';

/**
 * A process on a disk that keeps a record (`power.js`): `node power-subject.js OPTIONS`, which are `{ seed, dist, dir,
 * marks, ms }`. Its histories go to one file, `marks`, so that the record shows their lines among the writes to the disk;
 * each line begins with the name of its history.
 */
const { seed, dist, dir, marks, ms } = JSON.parse(process.argv[2]);
const load = (file) => import(pathToFileURL(join(dist, file)).href);
const { openBus } = await load('index.js');
const { withPayloadText } = await load('client.js');
const plan = planOf(seed, { bus: { shards: 2 }, hasShort: false, isTimed: false });
const bus = await openBus({ ...plan.bus, dir, onError: () => {} });
const append = appender(marks);
const actor = (Kind, settings) => {
  const { name } = settings;
  const own = (...line) => append(name, ...line);
  const history = new History({ name, lines: [], append: own });
  const door = doorOf(bus, withPayloadText);
  const [onCaughtUp, onBusy] = [() => {}, () => {}];
  return new Kind({ bus: door, history, plan, settings, onCaughtUp, onBusy });
};
const topics = ['t.0', 't.1', 't.2', 't.3'];
const publisher = actor(Publisher, {
  name: 'publisher',
  topics,
  window: 8,
  perSecond: 100,
});
const reader = actor(Reader, {
  name: 'reader',
  filter: { topics: ['*'] },
  from: 'earliest',
  slowShare: 0,
  savesEvery: 10,
});
reader.run();
const published = publisher.run();
await pass(ms);
await publisher.rest();
await published;
await bus.close();
process.exit(0);
