import type { BusStats, FigureSample, ShardStats } from 'millrace/client';
import { bytes, compact, duration, whole } from '../../text/format.js';

/** The threads of the bus: each shard and each gateway with its state and its present figures. */

export function Shards({
  stats,
  last,
}: {
  readonly stats: BusStats;
  readonly last: FigureSample | undefined;
}) {
  return (
    <section class="card threads" id="show-shards" tabIndex={-1} aria-labelledby="shards-title">
      <header>
        <h2 id="shards-title">Shards</h2>
      </header>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls has to take the keys. */}
      <section class="scrolled" tabIndex={0} aria-labelledby="shards-title">
        <table>
          <thead>
            <tr>
              <th>Shard</th>
              <th>State</th>
              <th class="number">In /s</th>
              <th class="number">Out /s</th>
              <th class="number">Commit p99</th>
              <th class="number">Publish ring</th>
              <th class="number">Delivery ring</th>
              <th class="number">WAL</th>
              <th class="number">Behind</th>
              <th class="number">Busy</th>
              <th class="number">Restarts</th>
              <th class="number">Up for</th>
            </tr>
          </thead>
          <tbody>
            {stats.shards.map((shard) => (
              <ShardRow key={shard.shard} stats={shard} last={last?.shards[shard.shard]} />
            ))}
          </tbody>
        </table>
      </section>
    </section>
  );
}

function ShardRow({
  stats,
  last,
}: {
  readonly stats: ShardStats;
  readonly last: FigureSample['shards'][number] | undefined;
}) {
  const percent = (share: number): string => `${whole(share * 100)} %`;
  return (
    <tr>
      <th scope="row">{stats.shard}</th>
      <td>
        <State name={stats.state} isGood={stats.state === 'running'} />
      </td>
      <td class="number">{compact(last?.publishedPerSecond ?? 0)}</td>
      <td class="number">{compact(last?.deliveredPerSecond ?? 0)}</td>
      <td class="number">{last?.commitMs === undefined ? '–' : duration(last.commitMs.p99)}</td>
      <td class="number">{percent(stats.publishRingFill)}</td>
      <td class="number">{percent(stats.deliveryRingFill)}</td>
      <td class="number">{bytes(stats.walBytes)}</td>
      <td class="number">{compact(stats.lag)}</td>
      <td class="number">{percent(last?.busy ?? stats.busy)}</td>
      <td class="number">{whole(stats.restarts)}</td>
      <td class="number">{duration(stats.upMs)}</td>
    </tr>
  );
}

export function Gateways({ stats }: { readonly stats: BusStats }) {
  if (stats.gateways.length === 0) return null;
  return (
    <section class="card threads" id="show-gateways" tabIndex={-1} aria-labelledby="gateways-title">
      <header>
        <h2 id="gateways-title">Gateways</h2>
      </header>
      <table>
        <thead>
          <tr>
            <th>Gateway</th>
            <th>State</th>
            <th class="number">Restarts</th>
          </tr>
        </thead>
        <tbody>
          {stats.gateways.map(({ gateway, state, restarts }) => (
            <tr key={gateway}>
              <th scope="row">{gateway}</th>
              <td>
                <State name={state} isGood={state === 'listening'} />
              </td>
              <td class="number">{whole(restarts)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function State({ name, isGood }: { readonly name: string; readonly isGood: boolean }) {
  return <span class={`tag ${isGood ? 'is-good' : 'is-bad'}`}>{name}</span>;
}
