import { useMemo } from 'preact/hooks';
import { Chart } from '../../parts/chart.js';
import { bytes, compact, duration, whole } from '../../text/format.js';
import {
  type FigureBook,
  lineOf,
  percentileLines,
  type Rows,
  rowsOf,
  type Series,
  shardLines,
} from './figure-book.js';

/** The last 15 minutes in charts. They share their cursor: a time that is pointed at shows in all of them. */

/** More lines than this could not be told from each other. */
const LINES_MAX = 4;

const SIZES = { format: bytes, least: 2 ** 20, isBinary: true } as const;

interface Drawn {
  readonly title: string;
  readonly part?: string;
  readonly lines: readonly Series[];
  readonly format: (value: number) => string;
  readonly most?: number;
  readonly least?: number;
  readonly isBinary?: boolean;
}

export default function Charts({ figures }: { readonly figures: FigureBook }) {
  const rows = useMemo(() => rowsOf(figures), [figures]);
  const drawn = useMemo(() => chartsOf(rows), [rows]);
  return (
    <div class="charts">
      {drawn.map(({ part, ...drawing }) => (
        <Chart
          key={drawing.title}
          {...drawing}
          id={part === undefined ? undefined : `show-${part}`}
          times={rows.times}
          group="overview"
        />
      ))}
    </div>
  );
}

function chartsOf(rows: Rows): Drawn[] {
  const shardCount = rows.samples.at(-1)?.shards.length ?? 0;
  const busiest = shardCount > LINES_MAX ? `, ${LINES_MAX} busiest of ${shardCount} shards` : '';
  return [
    { title: 'Events per second', part: 'rates', lines: rateLines(rows), format: compact },
    {
      title: 'Time to delivery',
      lines: percentileLines(rows, ({ deliveryMs }) => deliveryMs),
      format: duration,
    },
    {
      title: 'Time to commit',
      lines: percentileLines(rows, ({ commitMs }) => commitMs),
      format: duration,
    },
    {
      title: `Events in${busiest || ' by shard'}`,
      lines: shardLines(rows, LINES_MAX),
      format: compact,
    },
    {
      title: 'Fullest rings',
      part: 'rings',
      lines: ringLines(rows),
      format: (value) => `${whole(value)} %`,
      most: 100,
    },
    {
      title: 'Write-ahead logs',
      lines: [
        lineOf('all shards', rows, ({ shards }) =>
          shards.reduce((sum, { walBytes }) => sum + walBytes, 0),
        ),
      ],
      ...SIZES,
    },
    {
      title: 'Memory',
      lines: [
        lineOf('process', rows, ({ rssBytes }) => rssBytes),
        lineOf('gateway heap', rows, ({ heapBytes }) => heapBytes),
        lineOf('held', rows, ({ heldBytes }) => heldBytes),
      ],
      ...SIZES,
    },
    {
      title: 'Clients',
      lines: [
        lineOf('connections', rows, ({ connections }) => connections),
        lineOf('subscriptions', rows, ({ subscriptions }) => subscriptions),
      ],
      format: compact,
    },
    {
      title: 'Events behind',
      lines: [lineOf('all subscriptions', rows, ({ lag }) => lag)],
      format: compact,
    },
  ];
}

/** Drops and refusals are drawn only where there are any. */
function rateLines(rows: Rows): Series[] {
  const rare = [
    lineOf('dropped', rows, ({ droppedPerSecond }) => droppedPerSecond),
    lineOf('refused', rows, ({ refusedPerSecond }) => refusedPerSecond),
  ];
  return [
    lineOf('in', rows, ({ publishedPerSecond }) => publishedPerSecond),
    lineOf('out', rows, ({ deliveredPerSecond }) => deliveredPerSecond),
    ...rare.filter(({ values }) => values.some((value) => value !== null && value > 0)),
  ];
}

function ringLines(rows: Rows): Series[] {
  const fullest = (of: 'publishRingFill' | 'deliveryRingFill', name: string): Series =>
    lineOf(name, rows, ({ shards }) => 100 * Math.max(0, ...shards.map((shard) => shard[of])));
  return [fullest('publishRingFill', 'publish'), fullest('deliveryRingFill', 'delivery')];
}
