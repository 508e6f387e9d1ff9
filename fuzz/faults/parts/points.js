import { plantInto } from '../../checker/plant.js';

/**
 * The points at which a part may die. The product knows none of them: `pointInto` puts a call of `globalThis.__point` at
 * each into a copy of the build, and `deaths.js`, which the subject loads first, decides at which hit of which point a
 * thread dies. A place stands once in the built file, but for white space; `test/faults/points.test.ts` looks for each.
 *
 * The first word of a name is the part: the thread in which the point lies. `endpoint` lies in every thread that has a
 * share of the bus: in the gateway, and in attached workers. `early` points come before the thread does its work.
 */
const before = (file, text, more = {}) => ({
  file,
  text,
  to: (call) => `${call} ${text}`,
  ...more,
});
const after = (file, text, more = {}) => ({ file, text, to: (call) => `${text} ${call}`, ...more });
const EARLY = { isEarly: true };

const SHARD = 'shards/shard.js';
const LIFE = 'shards/shard-life.js';
const RUN = 'shards/shard-run.js';
const COMMIT = 'shards/batch-commit.js';
const READER = 'readers/reader.js';
const FEED = 'gateway/subscription-feed.js';
const END = 'endpoint/links/endpoint-end.js';
const DELIVERIES = 'endpoint/links/delivery-reader.js';

/** @type {Record<string, { file: string, text: string, to: (call: string) => string, isEarly?: boolean }>} */
export const points = {
  'shard.opening': before(LIFE, 'this.#log = await openLog(this.#data);', EARLY),
  'shard.opened': after(LIFE, 'this.#log = await openLog(this.#data);', EARLY),
  'shard.adopting': before(RUN, 'const link = this.#adopt(end);', EARLY),
  'shard.consumers': before(RUN, 'this.#takeConsumers();', EARLY),
  'shard.ready': before(RUN, "this.#report({ report: 'ready', head,", EARLY),
  'shard.mail': before(RUN, 'this.#mailSeen = (this.#mailSeen + 1) | 0;'),
  'shard.recovering': before('shards/recovery.js', 'const { position } = ring; link.ack({', EARLY),
  'shard.recovered': after('shards/recovery.js', 'link.releasePublishes();', EARLY),
  'shard.turn': before(SHARD, 'const batch = this.#batch; let worked = false;'),
  'shard.command': before('shards/commands.js', 'this.#introspection.beginTurn();'),
  'shard.drained': after(SHARD, 'batch.drain(this.links, this.#firstLink++, limit, refusing);'),
  'shard.append': before(
    'shards/publish-intake.js',
    'const index = log.append(view.bytes, view.offset, recordedAt, terms, isAgain);',
  ),
  'shard.appended': after(
    'shards/publish-intake.js',
    'const index = log.append(view.bytes, view.offset, recordedAt, terms, isAgain);',
  ),
  'shard.decide': before(SHARD, 'desk.decide(batch);'),
  'shard.decided': after(SHARD, 'desk.decide(batch);'),
  'shard.commit': before(COMMIT, 'committed = this.#log.commit('),
  'shard.committed': before(COMMIT, 'if (committed instanceof Promise)'),
  'shard.settled': after(COMMIT, 'batch.settle(committed);'),
  'shard.counted': before(SHARD, 'this.#finishBatch(); worked = true;'),
  'shard.acknowledged': after(SHARD, 'batch.acknowledge();'),
  'shard.told': after(SHARD, 'this.desk?.tell();'),
  'shard.rung': before(
    SHARD,
    'counters[ShardCounter.delivered] += this.#delivery.deliver(batch, this.delivered); batch.release();',
  ),
  'shard.delivering': before('shards/delivery.js', 'view.wrap(bytes[i], offsets[i]);'),
  'shard.sending': before('shards/delivery.js', 'if (link.sendEvent(sequence, bytes,'),
  'shard.delivered': before(SHARD, 'batch.release();'),
  'shard.released': after(SHARD, 'batch.release();'),
  'shard.advanced': after(SHARD, 'this.#feeder.reach(delivered);'),
  'shard.flushing': before(SHARD, 'flushed = link.flush() || flushed;'),
  'shard.feeding': before(SHARD, 'const fed = this.#feeder.feed(this.delivered);'),
  'shard.fed': after(SHARD, 'const fed = this.#feeder.feed(this.delivered);'),
  'shard.reading': before(SHARD, 'if (this.desk !== undefined) worked = this.desk.readAhead()'),
  'shard.upkeep': before(SHARD, 'const worked = this.#upkeep.step(now);'),
  'shard.subscribe': before(SHARD, 'this.#subscriptions.add(subscription);'),
  'shard.unsubscribe': before(SHARD, 'this.#subscriptions.end(subscription);'),

  'reader.connect': before(READER, 'this.#connects++;', EARLY),
  'reader.open': before(READER, 'const { openHistory } = (await import(module));'),
  'reader.look': before(READER, 'this.#looks.add(look);'),
  'reader.looked': before(READER, 'this.#looks.delete(look);'),

  'gateway.attached': after(
    'gateway/gateway-thread.js',
    'const attached = attachBus(attachment, { onError: logFailure });',
    EARLY,
  ),
  'gateway.listening': after(
    'gateway/gateway-thread.js',
    'await gateway.listen({ joins, isSuccessor });',
    EARLY,
  ),
  'gateway.frame': before('gateway/websocket/requests.js', "switch (frame.type) { case 'publish':"),
  'gateway.request': before('gateway/http/router.js', 'await route.handle({'),
  'gateway.feeding': before(FEED, 'const bytes = this.#encoder.add(event);'),
  'gateway.fed': after(FEED, 'this.#last = event;'),
  'gateway.subscribing': before(FEED, 'this.#subscription = subscription;'),
  'gateway.announced': before(FEED, 'const notices = this.#notices;'),
  'gateway.congested': before(
    FEED,
    'if (this.#outbound.isCongested) await this.#outbound.relieved();',
  ),
  'gateway.consumed': before(FEED, 'if (!this.#isWindowFull) this.#openWindow();'),
  'gateway.flush': before(
    'gateway/websocket/outbound.js',
    'for (const flushable of flushables) flushable.flush();',
  ),
  'gateway.flushed': before('gateway/websocket/outbound.js', 'this.#stream.uncork();'),

  'endpoint.turn': after(
    'endpoint/links/delivery-loop.js',
    'this.#doorbell.unpark(); this.#drain();',
  ),
  'endpoint.drain': before(DELIVERIES, 'const watermark = this.#ring.durableWatermark;'),
  'endpoint.drained': before(DELIVERIES, 'if (this.#records.release()) end.wake();'),
  'endpoint.released': before(DELIVERIES, 'if (end.owesCredit) end.payCredit(this.#payCredit);'),
  'endpoint.record': before(DELIVERIES, 'if (type === DELIVERY_EVENT)'),
  'endpoint.publish': before(END, 'this.#publishes.commit(type);'),
  'endpoint.published': after(END, 'this.#publishes.commit(type);'),
  'endpoint.handed': before(END, 'this.#alive.hold(); this.wake();'),
  'endpoint.ack': before(END, 'this.#ackedPosition = position;'),
  'endpoint.relink': before(END, 'this.#publishes.relink(port);'),
  'endpoint.relinked': after(END, 'this.#calls.relink(port, generation, resubscribe);'),
  'endpoint.lease': before('endpoint/consume/members.js', 'if (type === DELIVERY_LEASE)'),

  'handler.taken': before('handout/pump.js', 'const answer = handler(this.#take());'),
};

/**
 * Copies a build, and puts the points into the copy. @returns the folder of the copy
 * @throws Error if a place is not there once
 */
export function pointInto(built, folder, names = Object.keys(points)) {
  const [first, ...edits] = names.map((name) => {
    const { file, text, to } = points[name];
    return { file, from: text, to: to(`globalThis.__point?.('${name}');`) };
  });
  if (first === undefined) throw new Error('no point is named');
  return plantInto(built, folder, { ...first, edits });
}
