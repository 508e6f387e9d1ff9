import fc from 'fast-check';
import {
  Disturb,
  Expect,
  OnLineage,
  Publish,
  PublishGroup,
  Query,
  Refused,
  Reopen,
  Settle,
  Subscribe,
  TOPICS,
  update,
} from './moves.js';
import { release, stick } from './system.js';

/** Random moves and options of games. */
const SOURCES = ['ada', 'grace'];

const sizes = fc.oneof(
  { weight: 10, arbitrary: fc.nat({ max: 80 }) },
  { weight: 2, arbitrary: fc.integer({ min: 300, max: 700 }) },
  { weight: 1, arbitrary: fc.constantFrom(2000, 4000, 4096, 9000) },
);
const fields = fc.record(
  {
    topic: fc.constantFrom(...TOPICS),
    source: fc.constantFrom(...SOURCES),
    correlationId: fc.constantFrom('run-1', 'run-2'),
    attributes: fc.dictionary(fc.constantFrom('agentId', 'taskId'), fc.constantFrom('1', '2'), {
      maxKeys: 2,
      minKeys: 1,
      noNullPrototype: true,
    }),
  },
  { requiredKeys: ['topic'] },
);
const patterns = fc.constantFrom('*', 'a', 'a.*', 'a.+', '+.b', 'worker.*', 'log.*', '*.c', 'é.雪');
const topicLists = fc.array(patterns, { minLength: 1, maxLength: 2 });
/** Most filters have topics only, as a filter with more conditions matches fewer events. */
const filters = fc.oneof(
  { weight: 3, arbitrary: fc.record({ topics: topicLists }) },
  {
    weight: 1,
    arbitrary: fc.record({
      topics: topicLists,
      sources: fc.subarray(SOURCES, { minLength: 1 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ topics: topicLists, correlationIds: fc.constant(['run-1']) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ topics: topicLists, attributes: fc.constant({ agentId: ['1'] }) }),
  },
);

const which = fc.nat({ max: 30 });
const subscribeOptions = fc.record({
  from: fc.oneof(
    fc.constantFrom('now', 'earliest'),
    fc.record({ last: fc.integer({ min: 1, max: 60 }) }),
  ),
  overflow: fc.oneof(
    { weight: 5, arbitrary: fc.constant('catch-up') },
    { weight: 1, arbitrary: fc.constantFrom('drop-oldest', 'drop-newest', 'conflate') },
  ),
  maxBuffer: fc.constantFrom(1, 2, 10, 100, 1000),
  slow: fc.constantFrom(0, 0, 1, 7),
});
const publishHow = fc.record({
  how: fc.constantFrom('each', 'many'),
  durability: fc.constantFrom('synced', 'written'),
  persist: fc.oneof({ weight: 6, arbitrary: fc.constant(true) }, fc.constant(false)),
  wait: fc.boolean(),
  node: which,
});
const ids = fc.array(fc.option(fc.nat({ max: 29 }), { nil: undefined, freq: 3 }), {
  minLength: 80,
  maxLength: 80,
});
const publishes = fc
  .tuple(fc.array(fc.tuple(fields, sizes), { minLength: 1, maxLength: 80 }), ids, publishHow)
  .map((args) => new Publish(...args));
/** The rules of a node that is opened again, on a store that takes any. */
const rules = (...patterns) =>
  fc.oneof(
    { weight: 4, arbitrary: fc.constant([]) },
    {
      weight: 1,
      arbitrary: fc
        .record({ pattern: fc.constantFrom(...patterns), maxEvents: fc.constantFrom(10, 100) })
        .map((rule) => [rule]),
    },
  );
const retentions = {
  rules: { retention: rules('log.*', '*', 'a.*') },
  whole: { retention: rules('*') },
  stream: {},
  none: {},
};
const reopens = (retention) =>
  fc
    .tuple(
      fc.record({
        ...retentions[retention],
        ringBytes: fc.constantFrom(4096, 16_384, 1 << 20),
        commitBatchEvents: fc.constantFrom(1, 9, 4096),
        dies: fc.boolean(),
      }),
      fc.boolean(),
      which,
    )
    .map((args) => new Reopen(...args));

/** Terms of publishes, where the store judges them. */
const terms = {
  expect: fc
    .tuple(fc.constantFrom(...TOPICS), fc.boolean(), which)
    .map((args) => new Expect(...args)),
  atomic: fc
    .tuple(
      fc.constantFrom(...TOPICS),
      fc.array(fc.nat({ max: 80 }), { minLength: 1, maxLength: 5 }),
      which,
    )
    .map((args) => new PublishGroup(...args)),
};

const onActive = (name, act) => which.map((index) => new OnLineage(name, index, true, act));

/** The moves of games on a store; one that is listed more than once has more weight. */
export function commandsOn({ retention, judges, refusals }) {
  const refused = fc
    .tuple(fc.nat({ max: 99 }), which)
    .map(([index, node]) => new Refused(refusals[index % refusals.length], node));
  return fc.commands(
    [
      publishes,
      publishes,
      publishes,
      fc.tuple(filters, subscribeOptions, which).map((args) => new Subscribe(...args)),
      fc.tuple(filters, subscribeOptions, which).map((args) => new Subscribe(...args)),
      onActive('pause', (lineage, _, system) => system.pause(lineage)),
      fc
        .tuple(which, which)
        .map(
          ([index, node]) =>
            new OnLineage(`resume at node ${node},`, index, false, (lineage, model, system) =>
              system.subscribe(model, lineage, node),
            ),
        ),
      onActive('stick', (lineage) => stick(lineage)),
      onActive('release', (lineage) => release(lineage)),
      fc
        .tuple(which, filters)
        .map(
          ([index, filter]) =>
            new OnLineage(
              `update ${JSON.stringify(filter)}`,
              index,
              true,
              (lineage, model, system) => update(lineage, filter, model, system),
            ),
        ),
      fc
        .tuple(filters, fc.constantFrom(1, 5, 100, 10_000), fc.boolean(), which)
        .map((args) => new Query(...args)),
      fc.tuple(fc.constantFrom('kill', 'crash'), which, which).map((args) => new Disturb(...args)),
      reopens(retention),
      fc.constant(new Settle()),
      ...judges.map((term) => terms[term]),
      ...(refusals.length > 0 ? [refused] : []),
    ],
    { maxCommands: 60, size: 'max' },
  );
}

export function initialOn({ retention }) {
  // How many events each stream keeps, where that is fixed when it is made.
  const keep = { keep: fc.option(fc.constantFrom(20, 100), { nil: undefined, freq: 1 }) };
  return fc.record({
    shards: fc.integer({ min: 1, max: 3 }),
    ringBytes: fc.constantFrom(4096, 65_536),
    commitBatchEvents: fc.constantFrom(1, 9, 4096),
    ...(retention === 'stream' ? keep : {}),
  });
}
