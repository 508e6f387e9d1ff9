import { createHmac } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

/**
 * What has to hold while the clock is set, one duty after the other: `node --import shift.js duties.js DIST FOLDER`, with
 * `FUZZ_CLOCK_FILE`. The clock is set by each step, every duty is looked at, and the clock is set right again. It prints
 * the steps, and what did not hold, as JSON.
 */
const [dist = '', folder = ''] = process.argv.slice(2);
const HOUR_MS = 3_600_000;
const TEN_YEARS_MS = 10 * 365.25 * 24 * HOUR_MS;
const STEPS_MS = [HOUR_MS, -HOUR_MS, TEN_YEARS_MS, -TEN_YEARS_MS];
/** Longer than the shard's clock and the alerts take to look at a clock. */
const LOOKS_MS = 600;
const SECRET = 'a secret of the duties, of more than thirty-two bytes';

const { openBus } = await import(pathToFileURL(join(dist, 'index.js')).href);
const { busHooks } = await import(pathToFileURL(join(dist, 'main/test-hooks.js')).href);
const steppedBy = [];
const broken = [];
const told = [];
const file = process.env.FUZZ_CLOCK_FILE ?? '';
set(0);

const bus = await openBus({
  dir: join(folder, 'data'),
  shards: 2,
  retention: [{ pattern: 'aged.*', maxAgeMs: 2 * HOUR_MS }],
  alerts: [{ name: 'quiet', when: { kind: 'silence', pattern: 'order.*', forMs: 2 * HOUR_MS } }],
  onError: (error) => told.push(error.code),
});
const jwt = { secret: SECRET, issuer: 'duties', audience: 'bus' };
const gateway = await bus.serve({ port: 0, dashboard: false, auth: { jwt } });
await bus.publish(event('aged.a', 1));
await bus.schedules.set('hourly', { everyMs: HOUR_MS, event: event('hourly', 0) });

for (const step of STEPS_MS) await duties(step);
await bus.close();
console.log(JSON.stringify({ steppedBy, broken, told: [...new Set(told)] }));

async function duties(step) {
  const say = (duty) => broken.push(`${duty} (${step / HOUR_MS} h)`);
  const mark = `s${steppedBy.length}`;
  const before = await bus.publish(event('order.a', 0));
  const known = await bus.publish({ ...event('ids', 1), id: mark });
  const brief = await bus.publish(event(`brief.${mark}`, 1), { ttlMs: 3 * HOUR_MS });
  const token = tokenFor(10 * 60_000);
  if ((await ask(token)) !== 200) say('a good token is refused');
  // In hand over the step: its lease is a minute of real time.
  const held = await inHand(mark);
  const due = { deliverAt: new Date(Date.now() + 30 * 60_000) };
  const { id } = await bus.publish(event(`due.${mark}`, 1), due);
  const ticks = await countOf('hourly');

  set(step);
  steppedBy.push(step);
  await pass(LOOKS_MS);
  const after = await bus.publish(event('order.a', 1));
  if (after.sequence <= before.sequence) say('a topic goes backwards');
  await busHooks(bus).crashShard(known.shard);
  const again = await bus.publish({ ...event('ids', 1), id: mark });
  if (!again.duplicate || again.sequence !== known.sequence) say('an id is forgotten');
  if ((await countOf(`brief.${mark}`)) !== 1 || brief.duplicate) say('an event expires early');
  if ((await countOf('aged.a')) !== 1) say('retention by age removes an event');
  if ((await countOf(`due.${mark}`)) > 0) say('an event comes before its time');
  if ((await countOf('hourly')) > ticks) say('a schedule fires for hours that were not');
  const isExpired = step > 0;
  if ((await ask(token)) !== (isExpired ? 401 : 200)) say('a token is not judged by the clock');
  if ((await firing()).length > 0) say('an alert fires for a silence that was not');
  const became = await held.end();
  if (became !== 'done') say(`a job in hand was lost: ${became}`);

  set(0);
  await pass(LOOKS_MS);
  const events = await bus.query({ topic: 'order.a' });
  const times = events.map(({ timestamp }) => Date.parse(timestamp));
  if (times.some((time, at) => at > 0 && time < times[at - 1])) say('recorded time runs backwards');
  if ((await ask(token)) !== 200) say('a token stays refused when the clock is right');
  if (!(await bus.cancel(id))) say('a publish that waits is gone');
}

/** A job that a member has begun. `end` lets it end, and tells what became of it. */
async function inHand(mark) {
  const consumer = await bus.consumer(`held-${mark}`, { filter: `held.${mark}`, leaseMs: 60_000 });
  let end = () => {};
  const goesOn = new Promise((resolve) => {
    end = () => resolve(undefined);
  });
  let begun = 0;
  const began = new Promise((resolve) => {
    consumer.run(async () => {
      begun++;
      resolve(undefined);
      await goesOn;
    });
  });
  await bus.publish(event(`held.${mark}`, 1));
  await began;
  return {
    end: async () => {
      end();
      for (;;) {
        const { acked, pending, inFlight } = await consumer.info();
        if (acked === 1 && pending + inFlight === 0)
          return begun === 1 ? 'done' : `begun ${begun} times`;
        await pass(20);
      }
    },
  };
}

async function firing() {
  const { alerts } = await bus.alerts();
  return alerts.filter(({ state }) => state === 'firing');
}

async function countOf(topic) {
  return (await bus.query({ topic })).length;
}

async function ask(token) {
  const answer = await fetch(`${gateway.url}/v1/events?topic=order.a`, {
    headers: { authorization: `Bearer ${token}` },
  });
  return answer.status;
}

/** A token that is good for so long, by the clock that is right. */
function tokenFor(ms) {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: jwt.issuer,
    aud: jwt.audience,
    sub: 'reader',
    iat: now - 5,
    exp: now + ms / 1000,
    millrace: { subscribe: ['*'] },
  };
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const body = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${body}.${createHmac('sha256', SECRET).update(body).digest('base64url')}`;
}

function event(topic, n) {
  return { topic, type: 'duty', payload: { n } };
}

function set(offsetMs) {
  writeFileSync(`${file}.new`, JSON.stringify({ fromMs: 0, offsetMs, rate: 0 }));
  renameSync(`${file}.new`, file);
}
