import { type DefinitionInfo, type JsonFault, matchesPattern } from 'millrace/client';
import { useMemo } from 'preact/hooks';
import { useAsked } from '../../state/asked.js';
import { client } from '../../state/session.js';
import { counted } from '../../text/format.js';
import { indentedJson } from '../../text/indented-json.js';
import type { Draft } from './draft.js';
import { exampleOf, type JsonSchema } from './example.js';
import { amendDraft } from './form-state.js';
import { checkPayload } from './schema-check.js';

/** The payload, with the place of its first fault as JSON, and the schema of its topic where there is one. */
export interface PayloadFieldProps {
  readonly draft: Draft;
  readonly fault: JsonFault | undefined;
}

export function PayloadField({ draft, fault }: PayloadFieldProps) {
  const schemas = useSchemas(useDefinitions(), draft.topic.trim());
  const format = (): void => amendDraft({ payload: indentedJson(draft.payload) });
  return (
    <div class={`payload-field ${schemas.length === 0 ? '' : 'has-schema'}`}>
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
        <div id="publish-payload-state" class="payload-state">
          {fault === undefined ? (
            <>
              <span class="soft">Valid JSON</span>{' '}
              <button type="button" class="link" onClick={format}>
                Format
              </button>
              {schemas.length > 0 && <SchemaState schemas={schemas} payload={draft.payload} />}
            </>
          ) : (
            <span class="fault">
              Line {fault.line}, column {fault.column}: {fault.message}
            </span>
          )}
        </div>
      </div>
      {schemas[0] !== undefined && <Schema schema={schemas[0]} />}
    </div>
  );
}

/** The schemas of all definitions that hold for a topic. */
const NONE: readonly DefinitionInfo[] = [];

/**
 * The topics with which the server's bus was opened, as far as this principal may publish to them. None where the server
 * does not tell: schemas are a help, and an event can be published without them.
 */
function useDefinitions(): readonly DefinitionInfo[] {
  const asked = useAsked(() => client().definitions(), 'definitions');
  return asked.kind === 'answered' ? asked.value : NONE;
}

function useSchemas(known: readonly DefinitionInfo[], topic: string): readonly JsonSchema[] {
  return useMemo(
    () =>
      known
        .filter(({ pattern }) => matchesPattern(pattern, topic))
        .map(({ jsonSchema }) => jsonSchema)
        .filter((schema) => schema !== undefined),
    [known, topic],
  );
}

interface SchemaStateProps {
  readonly schemas: readonly JsonSchema[];
  readonly payload: string;
}

/** Whether the payload fits. It may be published all the same: the schema is only what the page knows of the checks. */
function SchemaState({ schemas, payload }: SchemaStateProps) {
  const check = useMemo(() => checkPayload(schemas, payload), [schemas, payload]);
  const { faults, more, unchecked } = check;
  if (faults.length === 0) {
    const text = unchecked === undefined ? 'It fits the schema.' : `Not checked: ${unchecked}.`;
    return <span class="soft">{text}</span>;
  }
  return (
    <div class="notice is-warning misfit" role="status">
      <p>It does not fit the schema of the topic:</p>
      <ul>
        {faults.map((fault) => (
          <li key={fault}>{fault}</li>
        ))}
        {more > 0 && <li class="soft">and {counted(more, 'other')}</li>}
      </ul>
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
