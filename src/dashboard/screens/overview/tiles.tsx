import type { BusStats, FigureSample, Percentiles } from 'millrace/client';
import type { ComponentChildren } from 'preact';
import { bytes, compact, counted, duration, whole } from '../../text/format.js';
import { type FigureBook, lately, mean } from './figure-book.js';

/** The present figures of the bus, each in a tile. */

/** Rates and times are of this time, so that they can be read while they change. */
const PRESENT_MS = 10_000;

export function Tiles({
  stats,
  figures,
}: {
  readonly stats: BusStats;
  readonly figures: FigureBook;
}) {
  const recent = lately(figures, PRESENT_MS);
  const last = recent.at(-1);
  const files = stats.shards.reduce((sum, { payloadFiles }) => sum + payloadFiles, 0);
  const fileBytes = stats.shards.reduce((sum, shard) => sum + shard.payloadFileBytes, 0);
  const wal = stats.shards.reduce((sum, { walBytes }) => sum + walBytes, 0);
  return (
    <dl class="tiles">
      <Tile name="Events in" note={`${compact(stats.published)} in all`}>
        {compact(mean(recent, ({ publishedPerSecond }) => publishedPerSecond))}
        <small>/s</small>
      </Tile>
      <Tile name="Events out" note={`${compact(stats.delivered)} in all`}>
        {compact(mean(recent, ({ deliveredPerSecond }) => deliveredPerSecond))}
        <small>/s</small>
      </Tile>
      <Times name="Delivery" last={latest(recent, ({ deliveryMs }) => deliveryMs)} />
      <Times name="Commit" last={latest(recent, ({ commitMs }) => commitMs)} />
      <Tile name="Subscriptions" note={lagText(stats.lag)}>
        {whole(stats.subscriptions)}
      </Tile>
      <Tile name="Connections" note={`${bytes(last?.heldBytes ?? 0)} held for them`}>
        {whole(stats.connections)}
      </Tile>
      <Tile name="Write-ahead logs" note={`of ${counted(stats.shards.length, 'shard')}`}>
        {bytes(wal)}
      </Tile>
      {files > 0 && (
        <Tile name="Payload files" note={counted(files, 'payload')}>
          {bytes(fileBytes)}
        </Tile>
      )}
      <Tile name="Memory" note={`up for ${duration(stats.uptimeMs)}`}>
        {last === undefined ? '–' : bytes(last.rssBytes)}
      </Tile>
    </dl>
  );
}

function lagText(lag: number): string {
  return lag === 0 ? 'none is behind' : `${compact(lag)} events behind`;
}

function latest(
  samples: readonly FigureSample[],
  of: (sample: FigureSample) => Percentiles | undefined,
): Percentiles | undefined {
  const sample = samples.findLast((one) => of(one) !== undefined);
  return sample && of(sample);
}

function Times({ name, last }: { readonly name: string; readonly last: Percentiles | undefined }) {
  const note =
    last === undefined ? 'nothing lately' : `p95 ${duration(last.p95)} · p99 ${duration(last.p99)}`;
  return (
    <Tile name={`${name}, p50`} note={note}>
      {last === undefined ? '–' : duration(last.p50)}
    </Tile>
  );
}

interface TileProps {
  readonly name: string;
  readonly note: string;
  readonly children: ComponentChildren;
}

function Tile({ name, note, children }: TileProps) {
  return (
    <div class="card tile">
      <dt>{name}</dt>
      <dd>{children}</dd>
      <dd class="note">{note}</dd>
    </div>
  );
}
