import type { ComponentChildren } from 'preact';
import './row-facts.css';
import { useModal } from './use-modal.js';

/** All facts of a row of a table, for a page that is too narrow for its columns. */

export interface Fact {
  readonly title: string;
  readonly value: ComponentChildren;
}

export interface RowFactsProps {
  readonly title: string;
  readonly facts: readonly Fact[];
  readonly onClose: () => void;
}

export function RowFacts({ title, facts, onClose }: RowFactsProps) {
  const dialog = useModal();
  return (
    <dialog ref={dialog} class="row-facts" aria-labelledby="facts-title" onClose={onClose}>
      <h2 id="facts-title">{title}</h2>
      <dl>
        {facts.map(({ title: name, value }) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <button type="button" onClick={onClose}>
        Close
      </button>
    </dialog>
  );
}
