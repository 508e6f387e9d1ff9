/**
 * The messages between the thread that opened the bus and a shard's thread. A parked shard sees no messages, so a word
 * in shared memory counts them and the sender wakes the shard. The mailbox outlives the shard's threads, each of which
 * gets a port of its own.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { MAIL, PARKED, type ShardControl } from '../link/shard-control.js';
import type { ShardMail, ShardReport } from '../link/shard-mail.js';
import { wakeSurely } from '../ring/wait.js';

export class ShardMailbox {
  readonly #control: ShardControl;
  readonly #onReport: (report: ShardReport) => void;
  #port: MessagePort | undefined;

  constructor(control: ShardControl, onReport: (report: ShardReport) => void) {
    this.#control = control;
    this.#onReport = onReport;
  }

  /** A port for the next thread. */
  open(): MessagePort {
    const { port1, port2 } = new MessageChannel();
    Atomics.store(this.#control.words, MAIL, 0);
    this.#port = port1;
    port1.on('message', this.#onReport);
    port1.unref();
    return port2;
  }

  /** The thread has ended: reads its last reports and closes its port. */
  close(): void {
    const port = this.#port;
    this.#port = undefined;
    if (port === undefined) return;
    for (let last = receiveMessageOnPort(port); last; last = receiveMessageOnPort(port)) {
      this.#onReport(last.message as ShardReport);
    }
    port.close();
  }

  /** Sends mail to the shard's thread; the mail is lost if no thread runs. */
  send(mail: ShardMail, transferList: MessagePort[] = []): void {
    if (this.#port === undefined) return;
    this.#port.postMessage(mail, transferList);
    Atomics.add(this.#control.words, MAIL, 1);
    // The mail may tell of an endpoint whose thread died while it woke this shard, with its publishes still to be taken.
    wakeSurely(this.#control.words, PARKED);
  }
}
