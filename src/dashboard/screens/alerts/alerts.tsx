import { useSignal } from '@preact/signals';
import type { AlertInfo, AlertList } from 'millrace/client';
import type { RefObject } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { Confirm } from '../../parts/confirm.js';
import { Notice } from '../../parts/notice.js';
import { access } from '../../state/access.js';
import { alerts, alertsError, firing, refreshAlerts } from '../../state/alerts.js';
import { amend, place } from '../../state/place.js';
import { client } from '../../state/session.js';
import { counted } from '../../text/format.js';
import { AlertRow } from './alert-row.js';
import { RuleForm } from './rule-form.js';
import { Transitions } from './transitions.js';
import './alerts.css';

/** The rules that watch the bus, with their states and the last changes; administrators make and remove rules. */

/** States change with events that the page follows; measurements are asked for. */
const POLL_MS = 2000;

export default function Alerts() {
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) void refreshAlerts();
    }, POLL_MS);
    return () => clearInterval(timer);
  }, []);
  const { value: list } = alerts;
  const { value: error } = alertsError;
  if (list === undefined) {
    return error === undefined ? (
      <p class="loading">Loading …</p>
    ) : (
      <Notice kind="bad">{error}</Notice>
    );
  }
  return (
    <div class="alerts">
      {error !== undefined && <Notice kind="warning">{error}</Notice>}
      {list.fault !== undefined && (
        <Notice kind="bad">
          The rules of the data directory cannot be read or written. {list.fault.code}:{' '}
          {list.fault.message}
        </Notice>
      )}
      <Rules list={list} />
      <Transitions transitions={list.transitions} />
    </div>
  );
}

/** The value of the parameter `edit` for a rule that does not exist yet; no rule has this name. */
const NEW = '+';

function Rules({ list }: { readonly list: AlertList }) {
  const { parameters } = place.value;
  const mayChange = access.value.mayAdminister && !access.value.isReadOnly;
  const edited = mayChange ? parameters.get('edit') : null;
  const chosen = parameters.get('alert');
  const removed = useSignal<string | undefined>(undefined);
  const edit = (name: string | undefined): void => amend({ edit: name });
  const isNew = edited !== null && !list.alerts.some(({ name }) => name === edited);
  const close = (): void => edit(undefined);
  const section = useFocusBack(edited);
  return (
    <section ref={section} class="card" aria-labelledby="rules-title">
      <header>
        <h2 id="rules-title">Rules</h2>
        <span class="soft">{summary(list)}</span>
        {mayChange && (
          <button type="button" class="primary" data-edits={NEW} onClick={() => edit(NEW)}>
            New rule
          </button>
        )}
      </header>
      {isNew && (
        <RuleForm key={NEW} rule={undefined} names={namesOf(list.alerts)} onClose={close} />
      )}
      {list.alerts.length === 0 && !isNew && (
        <p class="empty">
          No rule watches the bus.
          {mayChange && ' Make one, such as “no event on orders.* for 5 min”.'}
        </p>
      )}
      <ul class="rules">
        {list.alerts.map((alert) =>
          alert.name === edited && alert.origin === 'stored' ? (
            <li key={alert.name}>
              <RuleForm rule={alert} names={[]} onClose={close} />
            </li>
          ) : (
            <AlertRow
              key={alert.name}
              alert={alert}
              isChosen={alert.name === chosen}
              onEdit={mayChange ? edit : undefined}
              onRemove={(name) => {
                removed.value = name;
              }}
            />
          ),
        )}
      </ul>
      {removed.value !== undefined && (
        <RemoveDialog
          name={removed.value}
          text={textOf(list.alerts, removed.value)}
          onClose={() => {
            removed.value = undefined;
          }}
        />
      )}
    </section>
  );
}

/** Where the form is gone and nothing else has the focus, the button that opened it gets it back. */
function useFocusBack(edited: string | null | undefined): RefObject<HTMLElement | null> {
  const section = useRef<HTMLElement>(null);
  const before = useRef(edited);
  useEffect(() => {
    const closed = before.current;
    before.current = edited;
    if (!closed || edited || document.activeElement !== document.body) return;
    const buttons = [...section.current!.querySelectorAll<HTMLElement>('[data-edits]')];
    const opener = buttons.find(({ dataset }) => dataset.edits === closed) ?? buttons[0];
    opener?.focus();
  }, [edited]);
  return section;
}

function namesOf(alerts: readonly AlertInfo[]): readonly string[] {
  return alerts.map(({ name }) => name);
}

function summary({ alerts }: AlertList): string {
  const count = firing.value.length;
  const fires = count === 0 ? 'none fires' : `${count} ${count === 1 ? 'fires' : 'fire'}`;
  return alerts.length === 0 ? '' : `${counted(alerts.length, 'rule')}, ${fires}`;
}

function textOf(list: readonly AlertInfo[], name: string): string {
  return list.find((alert) => alert.name === name)?.text ?? '';
}

interface RemoveDialogProps {
  readonly name: string;
  readonly text: string;
  readonly onClose: () => void;
}

function RemoveDialog({ name, text, onClose }: RemoveDialogProps) {
  return (
    <Confirm
      title="Remove this rule?"
      action="Remove the rule"
      onClose={onClose}
      onConfirm={async () => {
        await client().removeAlert(name);
        await refreshAlerts();
      }}
    >
      The rule <b>{name}</b> (<code>{text}</code>) no longer watches the bus.
    </Confirm>
  );
}
