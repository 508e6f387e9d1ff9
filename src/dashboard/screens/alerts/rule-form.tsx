import { useSignal } from '@preact/signals';
import type { AlertInfo } from 'millrace/client';
import { useEffect, useRef } from 'preact/hooks';
import { TextField } from '../../parts/text-field.js';
import { refreshAlerts } from '../../state/alerts.js';
import { client } from '../../state/session.js';
import { messageOf } from '../../text/message-of.js';
import {
  type Draft,
  draftOf,
  type Fault,
  faultsOf,
  inputOf,
  NEW_DRAFT,
  understood,
} from './alert-words.js';

/** Makes or edits a rule. Its faults show as it is typed. */

/** Conditions to begin with. */
const EXAMPLES = [
  'no event on orders.* for 5 min',
  'rate on orders.* over 100/s for 1 min',
  'any worker_failed on worker.*',
  'lag over 10000 for 30 s',
  'consumer mailer pending over 1000 for 1 min',
] as const;

const SEVERITIES = ['info', 'warning', 'critical'] as const;

export interface RuleFormProps {
  /** Undefined for a new rule. */
  readonly rule: AlertInfo | undefined;
  /** The names of the rules that there are, which a new one must not replace. */
  readonly names: readonly string[];
  readonly onClose: () => void;
}

export function RuleForm({ rule, names, onClose }: RuleFormProps) {
  const draft = useSignal<Draft>(rule === undefined ? NEW_DRAFT : draftOf(rule));
  const { isSaving, refused, save } = useSaving(onClose);
  // Once it is saved, the rule's own name is among them.
  const taken = rule !== undefined || isSaving.value ? [] : names;
  const faults = faultsOf(draft.value, taken);
  const change = (changes: Partial<Draft>): void => {
    draft.value = { ...draft.value, ...changes };
    refused.value = undefined;
  };
  const onSubmit = (event: Event): void => {
    event.preventDefault();
    if (faults.length === 0) void save(draft.value);
  };
  return (
    <form class="rule-form" onSubmit={onSubmit} aria-label="Rule">
      <Fields draft={draft.value} isNew={rule === undefined} faults={faults} change={change} />
      {refused.value !== undefined && (
        <p class="fault" role="alert">
          {refused.value}
        </p>
      )}
      <div class="row">
        <button type="submit" class="primary" disabled={isSaving.value || faults.length > 0}>
          Save the rule
        </button>
        <button type="button" onClick={onClose}>
          Cancel
        </button>
      </div>
    </form>
  );
}

/** Sends a rule to the server; `refused` is the reason why it did not take the last one. */
function useSaving(onSaved: () => void) {
  const isSaving = useSignal(false);
  const refused = useSignal<string | undefined>(undefined);
  const save = async (draft: Draft): Promise<void> => {
    if (isSaving.value) return;
    isSaving.value = true;
    try {
      await client().setAlert(inputOf(draft));
      await refreshAlerts();
      onSaved();
    } catch (error) {
      refused.value = messageOf(error);
      isSaving.value = false;
    }
  };
  return { isSaving, refused, save };
}

interface FieldsProps {
  readonly draft: Draft;
  /** The name of a rule that there is cannot be changed. */
  readonly isNew: boolean;
  readonly faults: readonly Fault[];
  readonly change: (changes: Partial<Draft>) => void;
}

function Fields({ draft, isNew, faults, change }: FieldsProps) {
  const first = useRef<HTMLInputElement>(null);
  useEffect(() => first.current?.focus(), []);
  const faultOf = (wanted: Fault['field']) => faults.find(({ field }) => field === wanted);
  return (
    <>
      <div class="pair">
        <TextField
          id="rule-name"
          label="Name"
          value={draft.name}
          placeholder="orders-quiet"
          field={isNew ? first : undefined}
          isFixed={!isNew}
          isRequired
          fault={faultOf('name')?.message}
          onInput={(name) => change({ name })}
        />
        <Severity severity={draft.severity} onInput={(severity) => change({ severity })} />
      </div>
      <Condition
        when={draft.when}
        field={isNew ? undefined : first}
        fault={faultOf('when')}
        onInput={(when) => change({ when })}
      />
      <TextField
        id="rule-description"
        label="Description (what to do when it fires)"
        value={draft.description}
        fault={faultOf('description')?.message}
        onInput={(description) => change({ description })}
      />
      <label class="check">
        <input
          type="checkbox"
          checked={draft.enabled}
          onInput={({ currentTarget }) => change({ enabled: currentTarget.checked })}
        />{' '}
        Watch the bus with this rule
      </label>
    </>
  );
}

interface SeverityProps {
  readonly severity: Draft['severity'];
  readonly onInput: (severity: Draft['severity']) => void;
}

function Severity({ severity, onInput }: SeverityProps) {
  return (
    <div class="field">
      <label for="rule-severity">Severity</label>
      <select
        id="rule-severity"
        value={severity}
        onInput={({ currentTarget }) => onInput(SEVERITIES[currentTarget.selectedIndex]!)}
      >
        {SEVERITIES.map((one) => (
          <option key={one}>{one}</option>
        ))}
      </select>
    </div>
  );
}

interface ConditionProps {
  readonly when: string;
  readonly field: { current: HTMLInputElement | null } | undefined;
  readonly fault: Fault | undefined;
  readonly onInput: (text: string) => void;
}

function Condition({ when, field, fault, onInput }: ConditionProps) {
  const canonical = fault === undefined ? understood(when) : undefined;
  return (
    <div>
      <TextField
        id="rule-when"
        label="Fires when"
        value={when}
        placeholder={EXAMPLES[0]}
        field={field}
        isMono
        isRequired
        fault={fault && <Told fault={fault} text={when} />}
        onInput={onInput}
      />
      {canonical !== undefined && (
        <p class="soft">
          Understood as <code>{canonical}</code>
        </p>
      )}
      <ul class="examples" aria-label="Conditions to begin with">
        {EXAMPLES.map((example) => (
          <li key={example}>
            <button type="button" class="example" onClick={() => onInput(example)}>
              <code>{example}</code>
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** What is wrong, with the word where it is. */
function Told({ fault, text }: { readonly fault: Fault; readonly text: string }) {
  return (
    <>
      {fault.at !== undefined && <Place text={text} at={fault.at} />} {fault.message}
    </>
  );
}

/** The word at which the text is faulty, marked within the text. */
function Place({ text, at }: { readonly text: string; readonly at: number }) {
  const rest = text.slice(at);
  const word = /^\S*/.exec(rest)![0];
  return (
    <code class="place">
      {text.slice(0, at)}
      <mark>{word === '' ? '…' : word}</mark>
      {rest.slice(word.length)}
    </code>
  );
}
