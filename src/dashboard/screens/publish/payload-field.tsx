import { type JsonFault, matchesPattern } from 'millrace/client';
import { useMemo } from 'preact/hooks';
import { indentedJson } from '../../text/indented-json.js';
import type { Draft } from './draft.js';
import { exampleOf } from './example.js';
import { amendDraft, definitions } from './form-state.js';

/** The payload, with the place of its first fault as JSON, and the schema of its topic where there is one. */
export interface PayloadFieldProps {
  readonly draft: Draft;
  readonly fault: JsonFault | undefined;
}

export function PayloadField({ draft, fault }: PayloadFieldProps) {
  const schema = definitions.value.find(
    ({ pattern, jsonSchema }) =>
      jsonSchema !== undefined && matchesPattern(pattern, draft.topic.trim()),
  )?.jsonSchema;
  const format = (): void => amendDraft({ payload: indentedJson(draft.payload) });
  return (
    <div class={`payload-field ${schema === undefined ? '' : 'has-schema'}`}>
      <div class="field">
        <label for="publish-payload">Payload, JSON</label>
        <textarea
          id="publish-payload"
          rows={9}
          value={draft.payload}
          spellcheck={false}
          aria-invalid={fault !== undefined}
          aria-describedby="publish-payload-state"
          onInput={(event) => amendDraft({ payload: event.currentTarget.value })}
        />
        <p id="publish-payload-state" class="payload-state">
          {fault === undefined ? (
            <>
              <span class="soft">Valid JSON</span>{' '}
              <button type="button" class="link" onClick={format}>
                Format
              </button>
            </>
          ) : (
            <span class="fault">
              Line {fault.line}, column {fault.column}: {fault.message}
            </span>
          )}
        </p>
      </div>
      {schema !== undefined && <Schema schema={schema} />}
    </div>
  );
}

function Schema({ schema }: { readonly schema: Readonly<Record<string, unknown>> }) {
  const text = useMemo(() => JSON.stringify(schema, null, 2), [schema]);
  return (
    <section class="schema" aria-labelledby="schema-title">
      <div class="row">
        <h3 id="schema-title">Schema of this topic</h3>
        <button
          type="button"
          onClick={() => amendDraft({ payload: JSON.stringify(exampleOf(schema), null, 2) })}
        >
          Fill in an example
        </button>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a long schema is scrolled by the keyboard. */}
      <pre tabIndex={0}>{text}</pre>
    </section>
  );
}
