/**
 * Keeps the publishes of a link behind the commands that its endpoint has sent earlier, although the two are in
 * different rings. `look` notes how far both rings have got, `pass` lets the publishes so far through once the commands
 * so far are read. So publishes also get through where an endpoint sends commands as fast as the shard reads them.
 */
import type { RecordReceiver } from '../ring/record-channel.js';

export class PublishGate {
  readonly #publishes: RecordReceiver;
  readonly #commands: RecordReceiver;
  /** No publish behind this position of its ring may be taken. Undefined, and so no bound, before the first `look`. */
  until: number | undefined;
  #publishesNoted = 0;
  #commandsNoted: number;

  constructor(publishes: RecordReceiver, commands: RecordReceiver) {
    this.#publishes = publishes;
    this.#commands = commands;
    this.#commandsNoted = commands.consumer.position;
  }

  /** Goes before a read of commands. */
  look(): void {
    if (!this.#isReached) return;
    this.until ??= this.#publishes.consumer.position;
    // In this order: a command that was sent before the last of these publishes is seen, too.
    this.#publishesNoted = this.#publishes.consumer.look();
    this.#commandsNoted = this.#commands.consumer.look();
  }

  /** Goes after a read of commands. */
  pass(): void {
    // A command that stalls was sent to an earlier thread; the endpoint sends it to this one anew.
    if (this.#isReached || this.#commands.isStalled) this.until = this.#publishesNoted;
  }

  /** The endpoint sends no more commands: all of its publishes may be taken. */
  open(): void {
    this.until = this.#publishes.consumer.look();
  }

  get #isReached(): boolean {
    return ((this.#commandsNoted - this.#commands.consumer.position) | 0) <= 0;
  }
}
