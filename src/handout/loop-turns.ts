import { type Dispatched, Dispatcher, type Turns } from './dispatcher.js';
import type { Turn } from './turn.js';

/**
 * Turns where nobody else says when one begins, as in a client, whose events come from a socket, several frames within one call.
 * A turn begins with the first event that is handed out, and is over when the event loop has gone round.
 */
export class LoopTurns implements Turns {
  readonly #dispatcher: Dispatcher;
  readonly #goRound: (then: () => void) => void;
  #isUnderWay = false;

  constructor(goRound: (then: () => void) => void = afterOthers, turn?: Turn) {
    this.#goRound = goRound;
    // The next turn comes by itself.
    this.#dispatcher = new Dispatcher(() => {}, turn === undefined ? {} : { turn });
  }

  hasTime(): boolean {
    if (!this.#isUnderWay) this.#begin();
    return this.#dispatcher.hasTime();
  }

  postpone(one: Dispatched): void {
    this.#dispatcher.postpone(one);
  }

  #begin(): void {
    this.#isUnderWay = true;
    this.#goRound(this.#over);
    this.#dispatcher.dispatch();
  }

  readonly #over = (): void => {
    this.#isUnderWay = false;
    if (this.#dispatcher.isAwaited) this.#begin();
  };
}

/** The part of either platform that is used here. */
interface Platform {
  readonly setImmediate?: (call: () => void) => void;
  readonly MessageChannel?: new () => unknown;
}

interface Channel {
  readonly port1: { onmessage: (() => void) | null };
  readonly port2: { postMessage(value: unknown): void };
}

const calls: (() => void)[] = [];
let channel: Channel | undefined;

/**
 * Calls once timers and sockets have had their time. In Node by `setImmediate`: a `MessagePort` there takes what is posted meanwhile
 * in the same go. Browsers have none; they hold back the timers of a hidden page for up to a minute, but no message.
 */
function afterOthers(call: () => void): void {
  const { setImmediate: immediately, MessageChannel: ChannelOf } = globalThis as Platform;
  if (immediately !== undefined) immediately(call);
  else if (ChannelOf === undefined) setTimeout(call, 0);
  else {
    channel ??= openChannel(new ChannelOf() as Channel);
    calls.push(call);
    channel.port2.postMessage(undefined);
  }
}

function openChannel(opened: Channel): Channel {
  opened.port1.onmessage = () => calls.shift()?.();
  return opened;
}
