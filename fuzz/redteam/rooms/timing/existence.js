import assert from 'node:assert/strict';
import { inTurns, median, toldApart } from '../../stage/measure.js';

/** What the time of an answer tells of events that mallory may not read. */

const rounded = (value) => Math.round(value * 100) / 100;

/** How well the times tell, and what they are. */
function told(times) {
  const [some, others] = Object.values(times);
  return {
    told: rounded(toldApart(some, others)),
    ms: Object.values(times).map((all) => rounded(median(all))),
  };
}

/** The same; in the long form they have to tell nothing. */
function judged(stage, times, what) {
  const figures = told(times);
  if (stage.isLong) assert.ok(figures.told < 0.7, `${what}: ${JSON.stringify(figures)}`);
  return figures;
}

export const attacks = [
  {
    name: 'the time of a look-up by id',
    wants: 'to learn whether an event with this id is on a topic of alice',
    async play(stage) {
      const topic = 'alice.large';
      const id = stage.fresh('large');
      const other = stage.fresh('other');
      await stage.publish('alice', { topic, id, payload: 'x'.repeat(1_000_000) });
      await stage.publish(
        'alice',
        Array.from({ length: 50 }, (_, n) => ({
          topic: `alice.many.${n}`,
          id: other,
          payload: 'x'.repeat(100_000),
        })),
      );
      const socket = await stage.socket('mallory');
      const get = (wanted) => async () => {
        const { events } = await socket.one('get', { topic: '*', id: wanted });
        assert.deepEqual(events, []);
      };
      const rounds = stage.isLong ? 200 : 15;
      const missing = stage.fresh('missing');
      return {
        large: judged(
          stage,
          await inTurns(rounds, { there: get(id), missing: get(missing) }),
          'a large event',
        ),
        many: judged(
          stage,
          await inTurns(rounds, { there: get(other), missing: get(missing) }),
          'many events',
        ),
      };
    },
  },
  {
    name: 'the time of a query by source, type or run',
    wants: 'to learn how many events of a source, a type or a run there are on topics of alice',
    // What is told here is said in SECURITY; the figures show how much it is.
    async play(stage) {
      const count = stage.isLong ? 40_000 : 10_000;
      for (let n = 0; n < count; n += 5000) {
        await stage.publish(
          'alice',
          Array.from({ length: 5000 }, () => ({
            topic: 'alice.payroll',
            type: 'salary_paid',
            correlationId: 'payroll-7',
            payload: 1,
          })),
        );
      }
      await stage.publish('mallory', [{ topic: 'mallory.own' }, { topic: 'mallory.own' }]);
      const socket = await stage.socket('mallory');
      const rounds = stage.isLong ? 200 : 15;
      const figures = {};
      for (const [field, there] of [
        ['sources', 'alice'],
        ['types', 'salary_paid'],
        ['correlationIds', 'payroll-7'],
      ]) {
        const query = (value) => async () => {
          const { events } = await socket.one('query', { topic: 'mallory.*', [field]: [value] });
          assert.deepEqual(events, []);
        };
        figures[field] = told(
          await inTurns(rounds, { there: query(there), missing: query(stage.fresh('none')) }),
        );
      }
      return figures;
    },
  },
];
