import { useState } from 'preact/hooks';
import { ChipsField } from '../../parts/chips-field.js';
import { PatternsField } from '../../parts/patterns-field.js';
import { amendOn } from '../../state/place.js';
import { attributeFault } from '../../text/attribute-pair.js';
import { FromField, TimesField } from './from-field.js';
import { SearchField } from './search-field.js';
import { filterCount, LISTS, type ListName, type StreamSettings } from './settings.js';

/** Chooses the events: topics and where to begin; types, sources and the like below, where they are wanted. */
export function FilterBar({ settings }: { readonly settings: StreamSettings }) {
  const filters = filterCount(settings);
  const [isOpen, setOpen] = useState(filters > 0);
  const set = (name: ListName) => (values: readonly string[]) =>
    amendOn('stream', { [LISTS[name]]: values, paused: undefined });
  return (
    <section class="filter-bar" aria-label="Which events">
      <div class="filter-main">
        <PatternsField
          values={settings.topics}
          placeholder="all topics; such as orders.* or orders.+.new"
          onChange={set('topics')}
        />
        <SearchField search={settings.search} />
        {settings.isHistory ? (
          <TimesField since={settings.since} until={settings.until} />
        ) : (
          <FromField from={settings.from} />
        )}
        <button
          type="button"
          aria-expanded={isOpen}
          aria-controls="stream-filters"
          onClick={() => setOpen(!isOpen)}
        >
          Filters{filters > 0 ? ` (${filters})` : ''}
        </button>
      </div>
      <div id="stream-filters" class="filter-more" hidden={!isOpen}>
        <ChipsField label="Types" values={settings.types} onChange={set('types')} isSpaceEnd />
        <ChipsField
          label="Categories"
          values={settings.categories}
          onChange={set('categories')}
          isSpaceEnd
        />
        <ChipsField label="Sources" values={settings.sources} onChange={set('sources')} />
        <ChipsField
          label="Correlation ids"
          values={settings.correlationIds}
          onChange={set('correlationIds')}
        />
        <ChipsField
          label="Attributes"
          placeholder="key=value"
          values={settings.attributes}
          onChange={set('attributes')}
          faultOf={attributeFault}
        />
      </div>
    </section>
  );
}
