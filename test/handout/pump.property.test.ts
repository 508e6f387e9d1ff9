/**
 * A pump with a subscription's life around it, over a client's queue with its marks, against a reference that knows the
 * rules and no promise: whatever is pushed, however the taker behaves and whenever it ends.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ArrivalQueue } from '../../src/client/arrivals.js';
import type { Dispatched, Turns } from '../../src/handout/dispatcher.js';
import { Pump } from '../../src/handout/pump.js';
import { SubscriptionLife } from '../../src/handout/subscription-life.js';
import { decodeCursor, encodeCursor } from '../../src/protocol/cursor.js';
import type { Event } from '../../src/protocol/event.js';
import { eventOf } from '../endpoint/subscribe/subscription-host.js';

/** What the handler does with an event. */
type Work = 'return' | 'promise' | 'throw' | 'unsubscribe';

/** A mark behind the events that are pushed with it; its listener may unsubscribe. */
type Mark = 'mark' | 'unsubscribing mark';

type Step =
  | { do: 'push'; events: number; mark: Mark | undefined }
  | { do: 'next' }
  | { do: 'leave' }
  | { do: 'work done'; well: boolean }
  | { do: 'turn'; events: number }
  | { do: 'drain' }
  | { do: 'unsubscribe' }
  | { do: 'fail' };

interface Seen {
  /** The events that the handler got, and the marks with their positions. */
  readonly log: readonly string[];
  readonly position: number;
  /** Events that wait or are in hand. */
  readonly held: number;
  /** The result of each `next()`: a sequence, `done` or `failed`; `undefined` while it waits. */
  readonly readers: readonly (number | string | undefined)[];
  readonly end: 'open' | 'ended' | 'failed';
}

const FAILED = new Error('failed');

/** The rules, without promises. */
class Reference implements Seen {
  readonly log: string[] = [];
  position = 0;
  readonly readers: (number | string | undefined)[] = [];
  end: Seen['end'] = 'open';
  readonly #works: readonly Work[] | undefined;
  #line: (number | Mark)[] = [];
  #last = 0;
  #hand: number | undefined;
  #isWorking = false;
  #waiting: number[] = [];
  #isDraining = false;
  #isLeft = false;
  #isFailureTold = false;
  #timeLeft = 0;
  #isPostponed = false;

  constructor(works: readonly Work[] | undefined) {
    this.#works = works;
  }

  get held(): number {
    const waiting = this.#line.filter((one) => typeof one === 'number').length;
    return waiting + (this.#hand === undefined ? 0 : 1);
  }

  step(step: Step): void {
    if (step.do === 'push') this.#push(step.events, step.mark);
    else if (step.do === 'next') this.#next();
    else if (step.do === 'work done') this.#workDone(step.well);
    else if (step.do === 'turn') {
      this.#timeLeft = step.events;
      if (this.#isPostponed) this.#flush();
    } else if (step.do === 'drain') {
      this.#isLeft = true;
      if (this.#line.length === 0 && !this.#isWorking) this.#finish('ended');
      this.#isDraining = this.end === 'open';
    } else if (step.do === 'fail') this.#finish('failed');
    else {
      if (step.do === 'leave') this.#hand = undefined;
      this.#finish('ended');
    }
    const isInHand = this.#hand !== undefined;
    if (this.#isDraining && this.#line.length === 0 && !isInHand) this.#finish('ended');
  }

  #push(events: number, mark: Mark | undefined): void {
    if (this.#isLeft) return;
    for (let i = 0; i < events; i++) this.#line.push(++this.#last);
    if (mark !== undefined) this.#line.push(mark);
    this.#flush();
  }

  #flush(): void {
    this.#isPostponed = false;
    if (this.#works !== undefined) this.#work(this.#works);
    else {
      this.#passMarks();
      while (this.#waiting.length > 0 && this.#hasEvent()) {
        this.#settle();
        if (this.#hasEvent()) this.readers[this.#waiting.shift()!] = this.#take();
      }
    }
  }

  #work(works: readonly Work[]): void {
    while (!this.#isWorking && this.#passMarks() && this.#hasTime()) {
      const event = this.#take();
      this.log.push(`event ${event}`);
      const work = works[event % works.length]!;
      this.#isWorking = work === 'promise';
      if (work === 'throw') {
        this.#hand = undefined;
        this.#finish('failed');
      } else if (work === 'unsubscribe') this.#finish('ended');
      if (!this.#isWorking) this.#settle();
    }
  }

  #workDone(well: boolean): void {
    if (!this.#isWorking) return;
    this.#isWorking = false;
    if (well) {
      this.#settle();
      this.#flush();
    } else {
      this.#hand = undefined;
      this.#finish('failed');
    }
  }

  #next(): void {
    if (this.#works !== undefined) return;
    this.#settle();
    const reader = this.readers.length;
    if (this.#waiting.length === 0 && this.#passMarks() && this.#hasTime()) {
      this.readers.push(this.#take());
      return;
    }
    this.readers.push(undefined);
    this.#waiting.push(reader);
    if (this.end !== 'open') this.#tellReaders();
  }

  #settle(): void {
    if (this.#hand === undefined) return;
    this.position = this.#hand;
    this.#hand = undefined;
    this.#passMarks();
  }

  #take(): number {
    this.#hand = this.#line.shift() as number;
    return this.#hand;
  }

  #passMarks(): boolean {
    while (this.#hand === undefined && typeof this.#line[0] === 'string') {
      this.log.push(`mark at ${this.position}`);
      if (this.#line.shift() === 'unsubscribing mark') this.#finish('ended');
    }
    return this.#hasEvent();
  }

  #hasEvent(): boolean {
    return this.#line.some((one) => typeof one === 'number');
  }

  #hasTime(): boolean {
    if (this.#timeLeft-- > 0) return true;
    this.#isPostponed = true;
    return false;
  }

  #finish(end: 'ended' | 'failed'): void {
    this.#isLeft = true;
    if (this.end !== 'open' && end === 'failed') return;
    this.#line = [];
    if (this.end !== 'open') return;
    this.end = end;
    this.#tellReaders();
  }

  #tellReaders(): void {
    for (const reader of this.#waiting.splice(0)) {
      const isTold = this.end === 'failed' && !this.#isFailureTold;
      if (isTold) this.#isFailureTold = true;
      this.readers[reader] = isTold ? 'failed' : 'done';
    }
  }
}

class ChosenTurns implements Turns {
  timeLeft = 0;
  readonly #postponed = new Set<Dispatched>();

  hasTime(): boolean {
    return this.timeLeft-- > 0;
  }

  postpone(one: Dispatched): void {
    this.#postponed.add(one);
  }

  turn(events: number): void {
    this.timeLeft = events;
    const postponed = [...this.#postponed];
    this.#postponed.clear();
    for (const one of postponed) one.flush();
  }
}

class RealThing implements Seen {
  readonly log: string[] = [];
  readonly readers: (number | string | undefined)[] = [];
  end: Seen['end'] = 'open';
  readonly #turns = new ChosenTurns();
  readonly #arrivals = new ArrivalQueue<unknown>(cursorAt(0), {
    onConsumed: () => {},
    onIdle: () => {},
  });
  readonly #pump: Pump<Event>;
  readonly #life: SubscriptionLife<Event>;
  readonly #iterator: AsyncIterableIterator<Event>;
  #last = 0;
  #isLeft = false;
  #work: { resolve: () => void; reject: (error: Error) => void } | undefined;

  constructor(works: readonly Work[] | undefined) {
    const handler = works && ((event: Event) => this.#handle(event, works));
    this.#pump = new Pump(this.#arrivals, handler, this.#turns, (error) => this.#life.fail(error));
    const owner = {
      id: 's',
      clear: () => this.#arrivals.clear(),
      leave: async () => {
        this.#isLeft = true;
      },
      report: () => {},
    };
    this.#life = new SubscriptionLife(owner, this.#pump);
    this.#iterator = this.#life.iterator();
    this.#life.closed.then(
      () => (this.end = 'ended'),
      () => (this.end = 'failed'),
    );
  }

  get position(): number {
    return decodeCursor(this.#arrivals.position.cursor).positions[0]!;
  }

  get held(): number {
    return this.#arrivals.held;
  }

  step(step: Step): void {
    if (step.do === 'push') this.#push(step.events, step.mark);
    else if (step.do === 'next') this.#next();
    else if (step.do === 'leave') void this.#iterator.return?.();
    else if (step.do === 'turn') this.#turns.turn(step.events);
    else if (step.do === 'drain') this.#life.drain().catch(() => {});
    else if (step.do === 'unsubscribe') void this.#life.unsubscribe();
    else if (step.do === 'fail') this.#life.fail(FAILED);
    else if (step.well) this.#work?.resolve();
    else this.#work?.reject(FAILED);
  }

  #push(events: number, mark: Mark | undefined): void {
    if (this.#isLeft) return;
    for (let i = 0; i < events; i++) {
      this.#arrivals.push({ event: eventOf(++this.#last), isStep: true, events: 1, chars: 1 });
    }
    const notify = (): void => {
      this.log.push(`mark at ${this.position}`);
      if (mark === 'unsubscribing mark') void this.#life.unsubscribe();
    };
    if (mark !== undefined) this.#arrivals.mark({ notify });
    this.#pump.flush();
  }

  #handle({ sequence }: Event, works: readonly Work[]): void | Promise<void> {
    this.log.push(`event ${sequence}`);
    const work = works[sequence! % works.length]!;
    if (work === 'throw') throw FAILED;
    if (work === 'unsubscribe') void this.#life.unsubscribe();
    if (work !== 'promise') return;
    return new Promise((resolve, reject) => {
      this.#work = { resolve, reject };
    });
  }

  #next(): void {
    const at = this.readers.length;
    const asked = this.#iterator.next();
    this.readers.push(undefined);
    asked.then(
      ({ done, value }) => {
        this.readers[at] = done === true ? 'done' : value.sequence;
      },
      () => {
        this.readers[at] = 'failed';
      },
    );
  }
}

function cursorAt(position: number): string {
  return encodeCursor({ epoch: 'e', positions: [position] });
}

function seenOf({ log, position, held, readers, end }: Seen): Seen {
  return { log: [...log], position, held, readers: [...readers], end };
}

const mark = fc.oneof(
  { weight: 5, arbitrary: fc.constant(undefined) },
  { weight: 5, arbitrary: fc.constant<Mark>('mark') },
  { weight: 1, arbitrary: fc.constant<Mark>('unsubscribing mark') },
);

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('push'),
      events: fc.nat({ max: 3 }),
      mark,
    }),
  },
  { weight: 5, arbitrary: fc.constant({ do: 'next' }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('turn'), events: fc.nat({ max: 5 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('work done'),
      well: fc.integer({ min: 0, max: 9 }).map((n) => n > 0),
    }),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom<Step['do']>('drain', 'leave', 'unsubscribe', 'fail')
      .map((end) => ({ do: end }) as Step),
  },
);

const work = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom<Work>('return', 'promise') },
  { weight: 1, arbitrary: fc.constantFrom<Work>('throw', 'unsubscribe') },
);

async function follows(works: readonly Work[] | undefined, steps: readonly Step[]): Promise<void> {
  const reference = new Reference(works);
  const real = new RealThing(works);
  for (const one of steps) {
    // A handler's subscription is not iterated, nor is an iterator's work ever done.
    if (works !== undefined && (one.do === 'next' || one.do === 'leave')) continue;
    if (works === undefined && one.do === 'work done') continue;
    reference.step(one);
    real.step(one);
    await new Promise((resolve) => setImmediate(resolve));
    expect(seenOf(real)).toEqual(seenOf(reference));
  }
}

const steps = fc.array(step, { maxLength: 40 });

test('a handler gets the same values as in the reference, whatever it does and whenever it ends', async () => {
  const works = fc.array(work, { minLength: 1, maxLength: 7 });
  await fc.assert(fc.asyncProperty(works, steps, follows), { numRuns: 1000 });
});

test('an iterator gets the same values as in the reference, however it is read and whenever it ends', async () => {
  const iterates = (all: Step[]): Promise<void> => follows(undefined, all);
  await fc.assert(fc.asyncProperty(steps, iterates), { numRuns: 1000 });
});
