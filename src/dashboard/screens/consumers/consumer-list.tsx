import type { ConsumerInfo } from 'millrace/client';
import { DataTable } from '../../parts/data-table.js';
import { hrefOf } from '../../state/place.js';
import { usePolled } from '../../state/polled.js';
import { client } from '../../state/session.js';
import { counted } from '../../text/format.js';
import { CONSUMER_COLUMNS } from './consumer-columns.js';
import { troublesOf } from './consumer-words.js';
import { Troubles } from './troubles.js';

/** The consumers that the token may see, and what is wrong with them. */

const POLL_MS = 2000;
const MOST_FIRST = { key: 'pending', isDescending: true };
/** Of so many consumers the list says what is wrong; the table has all of them. */
const TROUBLED_MAX = 20;

export function ConsumerList() {
  const { value: list, error } = usePolled(() => client().consumers(), POLL_MS).value;
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
        There is no consumer here that your token may see. A call of bus.consumer(name, options), or
        millrace consumers create, makes one.
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
  const troubled = list
    .map((info) => ({ name: info.name, troubles: troublesOf(info) }))
    .filter(({ troubles }) => troubles.length > 0);
  if (troubled.length === 0) return null;
  const further = troubled.length - TROUBLED_MAX;
  return (
    <div class="body troubled">
      <dl aria-label="What is wrong">
        {troubled.slice(0, TROUBLED_MAX).map(({ name, troubles }) => (
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
        <p class="soft">Something is wrong with {counted(further, 'more consumer')}.</p>
      )}
    </div>
  );
}
