import { world } from '../world/world.js';
import { drain, drainLine } from './drains.js';
import { iterate, slowly } from './hands.js';
import { Line } from './history.js';
import { tooEarly } from './later.js';
import { prune, read } from './log-calls.js';
import { Publishing } from './publishing.js';
import { sleep, turns } from './sleep.js';
import { work } from './worker.js';

const ECHO = { topic: 'u.x', pad: 0, persist: true, durability: 'synced', hasId: false };

/**
 * Plays the program of one endpoint, in its own thread: each move is a call of the bus, and everything that the bus tells
 * goes to the history.
 */
export class Player {
  isDone = false;
  name;
  #endpoint;
  #process;
  #history;
  #lines;
  #isOver = false;
  #positionsOf;
  #publishing;

  /** @param endpoint the bus as this thread has it @param lines those of this place, of earlier processes too */
  constructor(endpoint, { name, process }, history, lines, positionsOf) {
    this.#positionsOf = positionsOf;
    this.#endpoint = endpoint;
    this.name = name;
    this.#process = process;
    this.#history = history;
    this.#lines = lines;
    const { publisher } = this;
    this.#publishing = new Publishing(endpoint, { publisher, process }, history);
  }

  async play(program) {
    try {
      for (const line of this.#lines) this.#subscribe(line);
      for (const move of program) {
        // Its client has been closed, or its process has ended.
        if (this.#isOver) return;
        await this.#make(move);
      }
    } finally {
      this.isDone = true;
    }
  }

  stop() {
    this.#isOver = true;
  }

  #make(move) {
    switch (move.move) {
      case 'publish': {
        const told = this.#publishing.publish(move.event);
        return move.isAwaited ? told : undefined;
      }
      case 'burst':
        for (const event of move.events) void this.#publishing.publish(event);
        return undefined;
      case 'many':
        return this.#publishing.many(move.events, move.atomic);
      case 'subscribe':
        return this.#begin(move);
      case 'resume':
        return this.#resume(move);
      case 'read':
        return read(this.#endpoint, this.#history, this.#process === 'remote');
      case 'work':
        return this.#work(move);
      case 'repeat':
        return this.#publishing.repeat(move);
      case 'cancel':
        return this.#publishing.cancel(move);
      case 'prune':
        return prune(this.#endpoint, move, this.#history);
      case 'schedule':
        return this.#history.schedules.call(this.#endpoint, move);
      case 'drain':
        return drain(this.#endpoint, this.publisher, this.#lines, this.#history);
      case 'settle':
        return world().settled();
      case 'turns':
        return turns(move.count);
      case 'ready':
        return this.#lines.at(-1)?.subscription?.ready.catch(() => {});
      case 'harm':
        return world().faults.happen(move.fault, world());
      default:
        return sleep(move.ms);
    }
  }

  get publisher() {
    return `${this.#process}:${this.name}`;
  }

  #work(move) {
    const isStale = () => this.#process === 'remote' && world().network.isGone(this.name);
    const member = { process: this.#process, endpoint: this.name, isStale };
    return work(this.#endpoint, { history: this.#history, move, member });
  }

  /** After each step of its thread: where its subscriptions say that they are. */
  look() {
    if (this.#isOver) return;
    for (const line of this.#lines) {
      line.look(line.subscription?.positions);
      const problem = overfilled(line);
      if (problem !== undefined) this.#history.problem(problem);
    }
  }

  #begin(move) {
    const line = new Line(move, this.name, this.#process);
    this.#lines.push(line);
    this.#history.lines.push(line);
    this.#subscribe(line);
  }

  #subscribe(line) {
    if (line.isEnded) return;
    const { pattern, overflow, maxBuffer, isIterated, handlerMs, echoes = 0 } = line.move;
    const from = line.cursor === undefined ? line.move.from : { after: line.cursor };
    if (line.cursor !== undefined) {
      const problem = line.rewind(this.#positionsOf(line.cursor), (event) =>
        this.#mayBeGone(line, event),
      );
      if (problem !== undefined) this.#history.problem(problem, 'repeated');
    }
    line.hasLeft ||= line.subscription !== undefined || line.cursor !== undefined;
    line.isReady = false;
    const hand = { isBusy: false };
    line.hand = hand;
    line.process = this.#process;
    line.beganAt = Number.POSITIVE_INFINITY;
    if (line.cursor === undefined && !this.#history.hasReplaced)
      line.beganAt = this.#history.tick();
    const options = { from, overflow, maxBuffer };
    const take = (event) => this.#take(line, subscription, event);
    /** @type {any} */
    const subscription = isIterated
      ? this.#endpoint.subscribe(pattern, options)
      : this.#endpoint.subscribe(
          pattern,
          handlerMs === 0 && echoes === 0
            ? (event) => void take(event)
            : (event) => slowly(take, hand, event, handlerMs, () => this.#echo(line)),
          options,
        );
    line.subscription = subscription;
    subscription.on('gap', (gap) => {
      const problem = line.notifyGap(gap);
      if (problem !== undefined) this.#history.problem(problem, 'misordered');
    });
    subscription.on('dropped', ({ count }) => {
      line.dropped += count;
    });
    this.#watch(line, subscription);
    if (isIterated) void iterate(subscription, take, hand, handlerMs, this.#history);
  }

  /** An event of an earlier epoch may be gone, unless it was flushed. */
  #mayBeGone({ isRemote }, { n, epoch }) {
    const { mayBeLost, durability } = this.#history.publishes[n];
    // A client may take an event of an earlier connection once it has learnt of the next epoch.
    if (isRemote) return mayBeLost === true;
    return epoch !== this.#endpoint.epoch && durability !== 'synced';
  }

  /** The handler publishes, and waits for it: to its own subscription too, which then waits for itself. */
  async #echo(line) {
    const { echoes = 0 } = line.move;
    if (line.echoes >= echoes || this.#isOver) return;
    line.echoes++;
    await this.#publishing.publish(ECHO);
  }

  #watch(line, subscription) {
    subscription.ready.then(
      () => {
        if (line.subscription !== subscription) return;
        line.isReady = true;
        if (line.cursor === undefined) line.cursor = subscription.cursor;
        line.readyAt = Math.min(line.readyAt, this.#history.tick());
      },
      () => {},
    );
    subscription.closed.catch((error) => {
      if (line.subscription !== subscription) return;
      line.subscription = undefined;
      if (!this.#mayEnd(line, error?.code)) {
        this.#history.problem(`a subscription ended: ${error?.code} ${error?.stack}`);
      }
      line.failure = error;
    });
  }

  /** Why a subscription may end that nobody ends. */
  #mayEnd({ isRemote }, code) {
    const { isClosing, storeMayFail } = this.#history;
    if (code === 'STORE_FAILED') return storeMayFail;
    return code === 'SLOW_CONSUMER' || (code === 'BUS_CLOSED' && (isRemote || isClosing));
  }

  #take(line, subscription, event) {
    if (line.subscription !== subscription || this.#isOver) return;
    // Of what came before this event, the cursor covers what is consumed.
    line.cursor = subscription.cursor;
    const { shard, sequence, payload, topic } = event;
    const n = this.#history.schedules.numberOf(event);
    const published = this.#history.publishes[n];
    if (published === undefined)
      this.#history.problem(`an event that nobody published: ${JSON.stringify(event)}`);
    if (!line.matches(topic)) this.#history.problem(`${line.move.name} got an event on ${topic}`);
    if (payload.pad.length !== published?.input.payload.pad.length) {
      this.#history.problem(`the payload of ${n} has changed`);
    }
    if (isTooEarly(subscription, event))
      this.#history.problem(`${line.move.name} got ${n} before it was flushed`);
    const early = tooEarly(published);
    if (early !== undefined) this.#history.problem(early);
    line.events.push({ shard, sequence, n, epoch: this.#endpoint.epoch });
  }

  async #resume({ pick, isDrained }) {
    if (this.#lines.length === 0) return;
    const line = this.#lines[pick % this.#lines.length];
    const { subscription } = line;
    if (subscription === undefined) return this.#subscribe(line);
    // What a lossy one had in its queue is gone with it.
    if (line.isLossy || !line.isReady) return;
    if (isDrained) await drainLine(line, subscription, this.#history);
    else await subscription.unsubscribe().catch(() => {});
    if (line.subscription !== subscription) return;
    line.cursor = subscription.cursor;
    this.#subscribe(line);
  }
}

/** What a shard may have sent and not seen consumed is bounded, whoever dies. Subscriptions of clients do not tell. */
function overfilled({ move, subscription }) {
  const over = subscription?.progress?.find(({ credited }) => credited > subscription.window);
  if (over === undefined) return undefined;
  return `${move.name} was sent ${over.credited} events at once, for which it has no room`;
}

/** An event is beyond the head that its shard has published: so far, a power cut could take it. Of a single shard. */
function isTooEarly({ positions, lag }, { sequence }) {
  return positions?.length === 1 && sequence !== undefined && sequence > positions[0] + lag;
}
