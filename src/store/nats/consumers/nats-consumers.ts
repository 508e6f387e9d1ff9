/** What NATS keeps and carries for durable consumers: the `ConsumerBrokerModule` of `natsStore`. See docs/adr/0086. */
import { BusError } from '../../../protocol/errors.js';
import type { ConsumerBroker, SharedText, SharedTextName } from '../../consumer-broker.js';
import { permissionFault } from '../nats-faults.js';
import { NatsLink } from '../nats-link.js';
import type { NatsAddress } from '../nats-stream.js';
import { StreamReader } from '../reader.js';
import { bucketStream } from '../streams.js';
import { Subjects } from '../subjects.js';
import { consumerStream, journalSubject, postSubject } from './consumer-stream.js';
import type { GuardedParts } from './guarded-subject.js';
import { LostAnswers } from './lost-answers.js';
import { NatsJournal } from './nats-journal.js';
import { NatsText } from './nats-text.js';

/** Connects, however long that takes. */
export async function openConsumerBroker(options: unknown): Promise<ConsumerBroker> {
  const { settings } = options as NatsAddress;
  const { prefix } = settings;
  const link = await NatsLink.open(settings, `millrace ${prefix} consumers`, true);
  return new NatsConsumers(link, prefix);
}

export class NatsConsumers implements ConsumerBroker {
  readonly #link: NatsLink;
  readonly #answers: LostAnswers;
  readonly #prefix: string;

  constructor(link: NatsLink, prefix: string) {
    this.#link = link;
    this.#answers = new LostAnswers(link);
    this.#prefix = prefix;
  }

  get messageBytesMax(): number {
    return this.#link.maxPayload;
  }

  journal(shard: number): NatsJournal {
    const stream = consumerStream(this.#prefix);
    return new NatsJournal(this.#partsOf(stream, journalSubject(this.#prefix, shard)), shard);
  }

  text(name: SharedTextName): SharedText {
    const subject = `$KV.${this.#prefix}.consumers.${name}`;
    return new NatsText(this.#partsOf(bucketStream(this.#prefix), subject));
  }

  async listen(address: string, onMessage: (message: Uint8Array) => void): Promise<() => void> {
    const subject = postSubject(this.#prefix, address);
    let forbidden: BusError | undefined;
    const subscription = this.#link.connection.subscribe(subject, {
      callback: (error, message) => {
        if (error === null) onMessage(message.data);
        else forbidden = permissionFault(error);
      },
    });
    const { connection } = this.#link;
    await this.#link.insist(
      `messages on ${subject}`,
      () => this.#answers.await(connection.flush()),
      () => false,
    );
    if (forbidden !== undefined) throw forbidden;
    return () => subscription.unsubscribe();
  }

  /** While there is no connection messages are lost, so that none comes when it is old. */
  send(address: string, message: Uint8Array): void {
    const { connection, isUp, isClosed, maxPayload } = this.#link;
    if (!isUp || isClosed) return;
    if (message.length > maxPayload) {
      const fault = `natsStore: servers: max_payload is ${maxPayload} bytes, and durable consumers need ${message.length}: raise it`;
      throw new BusError('OPTION_INVALID', fault);
    }
    connection.publish(postSubject(this.#prefix, address), message);
  }

  async close(): Promise<void> {
    await this.#link.close();
    this.#answers.lose();
  }

  #partsOf(stream: string, subject: string): GuardedParts {
    const link = this.#link;
    // All its questions name their subjects.
    const reader = new StreamReader(link, stream, new Subjects(this.#prefix, 0));
    return { link, answers: this.#answers, reader, stream, subject };
  }
}
