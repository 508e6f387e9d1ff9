/**
 * What the thread that opened the bus and a shard's thread say to each other besides the rings. A shard that is parked
 * sees no messages, so a word in shared memory counts them, and whoever sends one wakes it. Outlives the shard's
 * threads: each has a port of its own.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { OpenCalls } from '../endpoint/open-calls.js';
import { MAIL, PARKED, type ShardControl } from '../link/shard-control.js';
import type { ShardMail, ShardReport } from '../link/shard-mail.js';
import { BusError } from '../protocol/errors.js';
import { wakeParked } from '../ring/wait.js';

/** What a thread says of itself. */
export type ThreadReport = Extract<
  ShardReport,
  { report: 'ready' | 'failed' | 'warning' | 'stopped' }
>;

export class ShardMailbox {
  readonly #shard: number;
  readonly #control: ShardControl;
  readonly #onReport: (report: ThreadReport) => void;
  readonly #questions = new OpenCalls();
  /** Questions of a time when no thread ran; the next one gets them. */
  readonly #held: ShardMail[] = [];
  #port: MessagePort | undefined;
  #refusal: BusError | undefined;

  constructor(shard: number, control: ShardControl, onReport: (report: ThreadReport) => void) {
    this.#shard = shard;
    this.#control = control;
    this.#onReport = onReport;
  }

  /** A port for the next thread. */
  open(): MessagePort {
    const { port1, port2 } = new MessageChannel();
    Atomics.store(this.#control.words, MAIL, 0);
    this.#port = port1;
    port1.on('message', (report: ShardReport) => this.#take(report));
    port1.unref();
    for (const mail of this.#held.splice(0)) this.send(mail);
    return port2;
  }

  /** The thread has ended: reads what it said last, and refuses what it did not answer. */
  close(): void {
    const port = this.#port;
    this.#port = undefined;
    if (port !== undefined) {
      for (let last = receiveMessageOnPort(port); last; last = receiveMessageOnPort(port)) {
        this.#take(last.message as ShardReport);
      }
      port.close();
    }
    this.#questions.rejectAll(
      new BusError('SHARD_RESTARTED', `shard ${this.#shard} was restarted`),
    );
  }

  /** No thread will answer any more. */
  refuse(error: BusError): void {
    this.#refusal = error;
    this.#held.length = 0;
    this.#questions.rejectAll(error);
  }

  /** Lost where no thread runs. */
  send(mail: ShardMail, transferList: MessagePort[] = []): void {
    if (this.#port === undefined) return;
    this.#port.postMessage(mail, transferList);
    Atomics.add(this.#control.words, MAIL, 1);
    wakeParked(this.#control.words, PARKED);
  }

  ask<T>(mailOf: (id: number) => ShardMail): Promise<T> {
    if (this.#refusal !== undefined) return Promise.reject(this.#refusal);
    return this.#questions.open((id) => {
      if (this.#port === undefined) this.#held.push(mailOf(id));
      else this.send(mailOf(id));
    });
  }

  #take(report: ShardReport): void {
    if (report.report === 'answer') this.#questions.resolve(report.id, report.value);
    else if (report.report === 'refusal') {
      this.#questions.reject(report.id, BusError.from(report.error));
    } else this.#onReport(report);
  }
}
