import type { SinkFigures, SinkList } from 'millrace/client';
import { DataTable } from '../../parts/data-table.js';
import { useShownPart } from '../../parts/use-shown-part.js';
import { now } from '../../state/now.js';
import { usePolled } from '../../state/polled.js';
import { client } from '../../state/session.js';
import { counted } from '../../text/format.js';
import type { Consumers } from './consumer-list.js';
import { SINK_COLUMNS } from './sink-columns.js';
import { sinkTrouble } from './sink-words.js';
import { Troubles } from './troubles.js';

/** The sinks that run on the bus, and what is wrong with them. Administrators of the whole bus see them. */

const POLL_MS = 2000;
const TROUBLED_FIRST = { key: 'state', isDescending: false };
/** Of so many sinks the list says what is wrong; the table has those that the server lists. */
const TROUBLED_MAX = 10;

/** A consumer may say that its sink does not stand still. */
interface SinksProps {
  readonly consumers: Consumers;
}

interface ListedProps extends SinksProps {
  readonly sinks: SinkList;
}

export function Sinks({ consumers }: SinksProps) {
  const { value: sinks, error } = usePolled(ask, POLL_MS).value;
  useShownPart(sinks !== undefined);
  return (
    <section class="card" id="show-sinks" tabIndex={-1} aria-labelledby="sinks-title">
      <header>
        <h2 id="sinks-title">Sinks</h2>
        <span class="soft" role="status">
          {sinks !== undefined && countText(sinks)}
        </span>
      </header>
      {error !== undefined && (
        <p class="body fault" role="alert">
          {error}
        </p>
      )}
      {sinks === undefined ? (
        error === undefined && <p class="loading">Loading …</p>
      ) : (
        <Listed sinks={sinks} consumers={consumers} />
      )}
    </section>
  );
}

async function ask(): Promise<SinkList> {
  return (await client().stats()).sinks;
}

function countText({ count, list }: SinkList): string {
  const all = counted(count, 'sink');
  return count === list.length ? all : `${all}, ${list.length} of them below`;
}

function Listed({ sinks, consumers }: ListedProps) {
  if (sinks.count === 0) {
    return (
      <p class="empty">
        No sink runs on this bus. The section sinks of the config file, or a call of millrace/sinks
        in a thread of the bus, makes one.
      </p>
    );
  }
  return (
    <>
      <Troubled sinks={sinks} consumers={consumers} />
      <DataTable
        label="Sinks"
        columns={SINK_COLUMNS}
        rows={keyed(sinks.list)}
        keyOf={({ key }) => key}
        nameOf={({ kind, name }) => `${kind} ${name}`}
        parameter="sinkSort"
        defaultOrder={TROUBLED_FIRST}
      />
    </>
  );
}

/** The sinks with their keys: in a program two of one thread may be alike in all that names them. */
function keyed(list: readonly SinkFigures[]): readonly (SinkFigures & { readonly key: string })[] {
  const seen = new Map<string, number>();
  return list.map((sink) => {
    const { endpoint, kind, name, consumer = '' } = sink;
    const key = JSON.stringify([endpoint, kind, name, consumer]);
    const before = seen.get(key) ?? 0;
    seen.set(key, before + 1);
    return { ...sink, key: `${before} ${key}` };
  });
}

function Troubled({ sinks, consumers: { value, error } }: ListedProps) {
  // Until they are known, or cannot be, a sink of a paused one would be said to stand still.
  if (value === undefined && error === undefined) return null;
  const byName = new Map(value?.map((one) => [one.name, one]));
  const troubled = keyed(sinks.list).flatMap((sink) => {
    const trouble = sinkTrouble(sink, now.value, byName.get(sink.consumer ?? ''));
    return trouble === undefined ? [] : [{ sink, trouble }];
  });
  if (troubled.length === 0) return null;
  const further = troubled.length - TROUBLED_MAX;
  return (
    <div class="body troubled">
      <dl aria-label="What is wrong with sinks">
        {troubled.slice(0, TROUBLED_MAX).map(({ sink, trouble }) => (
          <div key={sink.key}>
            <dt>{sink.name}</dt>
            <dd>
              <Troubles troubles={[trouble]} />
            </dd>
          </div>
        ))}
      </dl>
      {further > 0 && <p class="soft">Something is wrong with {counted(further, 'more sink')}.</p>}
    </div>
  );
}
