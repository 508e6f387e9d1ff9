import { useEffect, useState } from 'preact/hooks';
import { onCommit } from '../../parts/on-commit.js';
import { useUniqueId } from '../../parts/use-unique-id.js';
import { parseSearch } from '../../search/parse.js';
import { SearchFault } from '../../search/search.js';
import { amendOn } from '../../state/place.js';

/** A search in the events. It is used once Enter is pressed or the field is left, and faults are told while it is typed. */
export function SearchField({ search }: { readonly search: string }) {
  const id = useUniqueId();
  const [text, setText] = useState(search);
  useEffect(() => setText(search), [search]);
  const fault = faultOf(text);
  const use = (): void => {
    if (fault === undefined && text !== search)
      amendOn('stream', { search: text.trim(), paused: undefined });
  };
  return (
    <div class="field search">
      <label for={id}>Search</label>
      <input
        id={id}
        type="search"
        value={text}
        placeholder="a text, or payload.order.total > 100"
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        aria-invalid={fault !== undefined}
        aria-describedby={fault === undefined ? undefined : `${id}-fault`}
        onInput={(event) => setText(event.currentTarget.value)}
        {...onCommit(use)}
      />
      {fault !== undefined && (
        <p class="fault" id={`${id}-fault`} role="status">
          {fault.message} <span class="soft">(character {fault.at + 1})</span>
        </p>
      )}
    </div>
  );
}

function faultOf(text: string): SearchFault | undefined {
  try {
    parseSearch(text);
    return undefined;
  } catch (error) {
    if (error instanceof SearchFault) return error;
    throw error;
  }
}
