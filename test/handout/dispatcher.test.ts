import { expect, test } from 'vitest';
import { Dispatcher } from '../../src/handout/dispatcher.js';
import { Turn } from '../../src/handout/turn.js';
import { HAND_OUT_TURN_MS, TURN_LOOK_EVENTS_MAX } from '../../src/protocol/limits/endpoint.js';

/** An event loop that goes round on demand, and a clock that only moves with the work done. */
class Loop {
  now = 0;
  rounds: (() => void)[] = [];
  readonly turns = new Dispatcher({
    goRound: (then) => this.rounds.push(then),
    turn: new Turn(() => this.now),
  });

  goRound(): void {
    for (const then of this.rounds.splice(0)) then();
  }

  /** A subscription with events to hand out, each of which takes a given time. */
  worker(ms: number) {
    const worker = {
      left: 0,
      done: 0,
      flush: (): void => {
        for (; worker.left > 0; worker.left--, worker.done++) {
          if (!this.turns.hasTime()) {
            this.turns.postpone(worker);
            return;
          }
          this.now += ms;
        }
      },
      get(events: number): void {
        worker.left += events;
        worker.flush();
      },
    };
    return worker;
  }
}

test('frames that come within one call share one turn', () => {
  const loop = new Loop();
  const worker = loop.worker(5);
  for (let frame = 0; frame < 100; frame++) worker.get(1);
  expect(loop.now).toBeLessThanOrEqual(HAND_OUT_TURN_MS + TURN_LOOK_EVENTS_MAX * 5);
  for (let rounds = 0; rounds < 100; rounds++) loop.goRound();
  expect(worker.done).toBe(100);
});

test('after a long idle time a new turn has time again', () => {
  const loop = new Loop();
  const worker = loop.worker(1);
  worker.get(3);
  loop.goRound();
  loop.now += 10_000;
  worker.get(3);
  expect(worker.done).toBe(6);
});

test('the event loop is not kept going without need', () => {
  const loop = new Loop();
  loop.worker(1).get(3);
  loop.goRound();
  expect(loop.rounds).toEqual([]);
});

test('no subscription takes all the turns', () => {
  const loop = new Loop();
  const workers = [loop.worker(HAND_OUT_TURN_MS), loop.worker(HAND_OUT_TURN_MS)];
  for (const worker of workers) worker.get(10);
  for (let rounds = 0; rounds < 9; rounds++) loop.goRound();
  expect(workers.map(({ done }) => done)).toEqual([6, 4]);
  for (let rounds = 0; rounds < 10; rounds++) loop.goRound();
  expect(workers.map(({ done }) => done)).toEqual([10, 10]);
});

test('subscriptions whose events come by separate doorbells share a turn too', () => {
  const loop = new Loop();
  const workers = Array.from({ length: 100 }, () => loop.worker(1));
  const ring = () => {
    for (const worker of workers.splice(0, 1)) {
      worker.left = 3;
      loop.turns.add(worker);
    }
    loop.turns.dispatch();
  };
  for (let rung = 0; rung < 100; rung++) ring();
  expect(loop.now).toBeGreaterThanOrEqual(HAND_OUT_TURN_MS);
  expect(loop.now).toBeLessThanOrEqual(HAND_OUT_TURN_MS + TURN_LOOK_EVENTS_MAX);
  for (let rounds = 0; rounds < 100; rounds++) loop.goRound();
  expect(loop.now).toBe(300);
});

test('a waiting subscription gets its turn even if another one has just used up the time', () => {
  const loop = new Loop();
  const [first, second] = [loop.worker(1), loop.worker(1)];
  first.get(100);
  const [over, dispatch] = loop.rounds.splice(0);
  over!();
  second.get(100);
  dispatch!();
  for (let rounds = 0; rounds < 100; rounds++) loop.goRound();
  expect([first.done, second.done]).toEqual([100, 100]);
});
