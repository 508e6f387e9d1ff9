import { useSignal } from '@preact/signals';
import type { ConsumerInfo } from 'millrace/client';
import { DataTable } from '../../parts/data-table.js';
import { hrefOf } from '../../state/place.js';
import type { Polled } from '../../state/polled.js';
import { counted } from '../../text/format.js';
import { CONSUMER_COLUMNS } from './consumer-columns.js';
import { troubledOf } from './consumer-words.js';
import { Troubles } from './troubles.js';

/** The consumers that the token may see, and what is wrong with them. */

const MOST_FIRST = { key: 'pending', isDescending: true };
/** Of so many consumers the list says what is wrong, so that the table below it is in sight. */
const TROUBLED_FIRST = 5;
/** And of so many once somebody asks; the table has all of them. */
const TROUBLED_MAX = 50;

export type Consumers = Polled<readonly ConsumerInfo[]>;

export function ConsumerList({ value: list, error }: Consumers) {
  return (
    <section class="card" aria-labelledby="consumers-title">
      <header>
        <h2 id="consumers-title">Consumers</h2>
        <span class="soft" role="status">
          {list !== undefined && counted(list.length, 'consumer')}
        </span>
      </header>
      {error !== undefined && (
        <p class="body fault" role="alert">
          {error}
        </p>
      )}
      {list === undefined ? (
        error === undefined && <p class="loading">Loading …</p>
      ) : (
        <Listed list={list} />
      )}
    </section>
  );
}

function Listed({ list }: { readonly list: readonly ConsumerInfo[] }) {
  if (list.length === 0) {
    return (
      <p class="empty">
        There is no consumer here, or none that you may see. A call of bus.consumer(name, options),
        or millrace consumers create, makes one.
      </p>
    );
  }
  return (
    <>
      <Troubled list={list} />
      <DataTable
        label="Consumers"
        columns={CONSUMER_COLUMNS}
        rows={list}
        keyOf={({ name }) => name}
        nameOf={({ name }) => name}
        parameter="sort"
        defaultOrder={MOST_FIRST}
      />
    </>
  );
}

function Troubled({ list }: { readonly list: readonly ConsumerInfo[] }) {
  const areAllShown = useSignal(false);
  const troubled = troubledOf(list);
  if (troubled.length === 0) return null;
  const most = areAllShown.value ? TROUBLED_MAX : TROUBLED_FIRST;
  const further = troubled.length - most;
  return (
    <div class="body troubled">
      <dl aria-label="What is wrong">
        {troubled.slice(0, most).map(({ name, troubles }) => (
          <div key={name}>
            <dt>
              <a href={hrefOf('consumers', { consumer: name })}>{name}</a>
            </dt>
            <dd>
              <Troubles troubles={troubles} />
            </dd>
          </div>
        ))}
      </dl>
      {further > 0 && (
        <p class="row soft">
          Something is wrong with {counted(further, 'more consumer')}.
          {!areAllShown.value && (
            <button
              type="button"
              onClick={() => {
                areAllShown.value = true;
              }}
            >
              Show more
            </button>
          )}
        </p>
      )}
    </div>
  );
}
