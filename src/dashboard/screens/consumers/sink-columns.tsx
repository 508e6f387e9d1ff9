import type { SinkFigures } from 'millrace/client';
import type { Column } from '../../parts/data-table.js';
import { numberColumn } from '../../parts/number-column.js';
import { now } from '../../state/now.js';
import { hrefOf } from '../../state/place.js';
import { ago, compact, dateAndClock, whole } from '../../text/format.js';

/** The columns of the list of sinks. */

const STATE_TAGS: Readonly<Record<SinkFigures['state'], string>> = {
  starting: '',
  running: 'is-good',
  waiting: 'is-warning',
  stopping: '',
  stopped: '',
  failed: 'is-bad',
};

/** Those in trouble first, as the server lists them. */
const RANKS: readonly SinkFigures['state'][] = [
  'failed',
  'waiting',
  'stopping',
  'starting',
  'running',
  'stopped',
];

const DEFINITION: readonly Column<SinkFigures>[] = [
  {
    key: 'sink',
    title: 'Sink',
    width: 'minmax(5.5rem, 0.8fr)',
    narrowWidth: 'minmax(0, 1fr)',
    sortValue: ({ name }) => name,
    cell: ({ name }) => <span title={name}>{name}</span>,
  },
  {
    key: 'kind',
    title: 'Kind',
    width: '5rem',
    sortValue: ({ kind }) => kind,
    cell: ({ kind }) => kind,
  },
  {
    key: 'state',
    title: 'State',
    width: '5.4rem',
    narrowWidth: '5.4rem',
    sortValue: ({ state }) => RANKS.indexOf(state),
    cell: ({ state, since }) => (
      <span
        class={`tag ${STATE_TAGS[state]}`}
        title={since === undefined ? undefined : `since ${dateAndClock(since)}`}
      >
        {state}
      </span>
    ),
  },
  {
    key: 'consumer',
    title: 'Consumer',
    width: 'minmax(5rem, 0.7fr)',
    sortValue: ({ consumer = '' }) => consumer,
    cell: ({ consumer }) =>
      consumer === undefined ? (
        '–'
      ) : (
        <a href={hrefOf('consumers', { consumer })} title={consumer}>
          {consumer}
        </a>
      ),
  },
  {
    key: 'target',
    title: 'Where to',
    width: 'minmax(8rem, 2fr)',
    sortValue: ({ target = '' }) => target,
    cell: ({ target = '–' }) => (
      <span class="mono" title={target}>
        {target}
      </span>
    ),
  },
];

const FIGURES: readonly Column<SinkFigures>[] = [
  numberColumn({
    key: 'sinkDone',
    title: 'Done',
    width: '4.4rem',
    narrowWidth: '3.6rem',
    of: ({ done }) => done,
    show: (done) => <span title={whole(done)}>{compact(done)}</span>,
  }),
  numberColumn({
    key: 'sinkFailed',
    title: 'Failed',
    width: '4.4rem',
    narrowWidth: '3.9rem',
    of: ({ failed }) => failed,
    show: (failed) => <span title={whole(failed)}>{compact(failed)}</span>,
  }),
  {
    key: 'sinkPending',
    title: 'Pending',
    isNumber: true,
    width: '5rem',
    sortValue: ({ pending = -1 }) => pending,
    cell: ({ pending }) => (pending === undefined ? '–' : whole(pending)),
  },
  {
    key: 'lastDone',
    title: 'Last done',
    isNumber: true,
    width: '6.2rem',
    sortValue: ({ lastDoneAt = '' }) => lastDoneAt,
    cell: ({ lastDoneAt }) =>
      lastDoneAt === undefined ? (
        '–'
      ) : (
        <span title={dateAndClock(lastDoneAt)}>{ago(lastDoneAt, now.value)}</span>
      ),
  },
  numberColumn({
    key: 'restarts',
    title: 'Restarts',
    width: '4.8rem',
    of: ({ restarts }) => restarts,
  }),
];

export const SINK_COLUMNS: readonly Column<SinkFigures>[] = [...DEFINITION, ...FIGURES];
