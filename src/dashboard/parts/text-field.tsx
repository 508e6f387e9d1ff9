import type { ComponentChildren } from 'preact';

/** One line of text with its label, and its fault below it. */
export interface TextFieldProps {
  readonly id: string;
  readonly label: string;
  readonly value: string;
  readonly placeholder?: string;
  readonly field?: { current: HTMLInputElement | null } | undefined;
  readonly isFixed?: boolean;
  readonly isRequired?: boolean;
  readonly isMono?: boolean;
  /** `undefined`: the text has none. */
  readonly fault?: ComponentChildren;
  readonly onInput: (text: string) => void;
}

export function TextField(props: TextFieldProps) {
  const { id, label, value, placeholder, field, isFixed, isRequired, fault, onInput } = props;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        ref={field ?? null}
        class={props.isMono ? 'mono' : ''}
        value={value}
        placeholder={placeholder}
        required={isRequired}
        readOnly={isFixed}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        aria-invalid={fault !== undefined}
        aria-describedby={fault === undefined ? undefined : `${id}-fault`}
        onInput={({ currentTarget }) => onInput(currentTarget.value)}
      />
      {fault !== undefined && (
        <p class="fault" id={`${id}-fault`} role="status">
          {fault}
        </p>
      )}
    </div>
  );
}
