/** History on NATS JetStream, for a reader thread: the `HistoryModule` of `natsStore`. */
import { setTimeout as afterMs } from 'node:timers/promises';
import type { StreamInfo } from '@nats-io/jetstream';
import { BusError } from '../../protocol/errors.js';
import {
  NATS_CLOCK_STEP_MS,
  NATS_OPEN_MS,
  NATS_PRUNED_MS,
  NATS_RETRY_MS,
} from '../../protocol/limits/nats.js';
import { elapsedMs } from '../../threads/elapsed.js';
import type { StoreHistory } from '../log-store.js';
import { type HistoryStream, type StreamBounds, StreamHistory } from '../shared/stream-history.js';
import { readCharter } from './charter.js';
import { callFault } from './nats-faults.js';
import { NatsLink } from './nats-link.js';
import type { NatsAddress } from './nats-stream.js';
import { StreamReader } from './reader.js';
import { deletedMark, keptStreamInfo, lostThrough, reachOf } from './streams.js';
import { Subjects, streamName } from './subjects.js';

export async function openHistory(options: unknown): Promise<StoreHistory> {
  const address = options as NatsAddress;
  const { settings } = address;
  const link = await NatsLink.open(settings, `millrace ${settings.prefix} history`, true);
  return new StreamHistory(new NatsHistory(link, address));
}

/** One shard's stream, as a reader thread knows it. */
interface ReadStream {
  readonly name: string;
  readonly subjects: Subjects;
  readonly reader: StreamReader;
  /** See `lostThrough`; of the stream with this mark. */
  lost: { readonly mark: string; readonly through: number };
}

class NatsHistory implements HistoryStream {
  readonly hasHoles = true;
  readonly timeStepMs = NATS_CLOCK_STEP_MS;
  readonly #link: NatsLink;
  readonly #address: NatsAddress;
  readonly #streams: readonly ReadStream[];
  /** When the nodes' epoch was looked at. */
  #checkedAt = Number.NEGATIVE_INFINITY;
  #isOtherEpoch = false;

  constructor(link: NatsLink, address: NatsAddress) {
    this.#link = link;
    this.#address = address;
    const { prefix } = address.settings;
    this.#streams = address.created.map((_, shard) => {
      const name = streamName(prefix, shard);
      const subjects = new Subjects(prefix, shard);
      const reader = new StreamReader(link, name, subjects);
      return { name, subjects, reader, lost: { mark: '', through: 0 } };
    });
  }

  async bounds(shard: number, headLeast: number): Promise<StreamBounds> {
    const stream = this.#streams[shard]!;
    const endsAt = elapsedMs() + NATS_OPEN_MS;
    for (;;) {
      const info = await this.#infoOf(shard);
      const { head, goneThrough, prunedThrough } = reachOf(info);
      if (head >= headLeast) {
        const lost = await this.#lostThrough(stream, info);
        return { head, goneThrough, prunedThrough: Math.max(prunedThrough, lost) };
      }
      if (elapsedMs() > endsAt) {
        const message = `stream ${stream.name} ends with event ${head}, and ${headLeast} was read`;
        throw new BusError('STORE_FAILED', message);
      }
      await afterMs(NATS_RETRY_MS);
    }
  }

  fetch(shard: number, after: number, until: number, limit?: number, topics?: readonly string[]) {
    const { subjects, reader } = this.#streams[shard]!;
    const filter = topics === undefined ? undefined : subjects.ofPattern(topics[0]!);
    return reader.read(after, until, limit === undefined ? { filter } : { filter, limit });
  }

  /** A consumer of the oldest servers has one filter. */
  filters(topics: readonly string[]): boolean {
    return topics.length === 1 && topics[0] !== '*';
  }

  close(): Promise<void> {
    return this.#link.close();
  }

  /** @throws BusError `STORE_FAILED` where the stream has another history than the one that the bus has opened */
  async #infoOf(shard: number): Promise<StreamInfo> {
    const { name } = this.#streams[shard]!;
    const info = await keptStreamInfo(this.#link, name, Number.POSITIVE_INFINITY);
    if (info === undefined) throw callFault(`stream ${name}`, new Error('it was deleted'));
    if (elapsedMs() - this.#checkedAt > NATS_PRUNED_MS) void this.#checkEpoch();
    const isOther = info.created !== this.#address.created[shard];
    if (!isOther && !this.#isOtherEpoch) return info;
    const message = `stream ${name} has another history than the one that was opened: open the bus again`;
    throw new BusError('STORE_FAILED', message);
  }

  /** Nobody waits for it: the bucket may have no leader while the streams have theirs. */
  async #checkEpoch(): Promise<void> {
    this.#checkedAt = elapsedMs();
    const { settings, epoch } = this.#address;
    const stored = await readCharter(this.#link, settings.prefix).catch(() => undefined);
    if (stored !== undefined) this.#isOtherEpoch = stored.charter.epoch !== epoch;
  }

  async #lostThrough(stream: ReadStream, info: StreamInfo): Promise<number> {
    const mark = deletedMark(info);
    if (mark !== stream.lost.mark) {
      stream.lost = { mark, through: await lostThrough(this.#link, info) };
    }
    return stream.lost.through;
  }
}
