import type { RefObject } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { Icon } from './icon.js';
import { useUniqueId } from './use-unique-id.js';

/** A field for several texts. Enter adds one; each that was added is a button that removes it. */

export interface ChipsFieldProps {
  readonly label: string;
  readonly values: readonly string[];
  readonly onChange: (values: readonly string[]) => void;
  readonly placeholder?: string;
  /** A space ends a value, for values that hold none. */
  readonly isSpaceEnd?: boolean;
  /** Why a value is refused; `undefined` if it is not. */
  readonly faultOf?: (value: string) => string | undefined;
  /** Values that begin as the text does, or otherwise fit. */
  readonly complete?: (text: string) => readonly string[];
  /** The user has come to the field. */
  readonly onFocus?: () => void;
}

export function ChipsField(props: ChipsFieldProps) {
  const { label, values, placeholder } = props;
  const id = useUniqueId();
  const input = useRef<HTMLInputElement>(null);
  const entry = useEntry(props, input);
  const { fault, offers, active } = entry;
  const combobox = props.complete === undefined ? {} : comboboxOf(id, offers, active);
  const remove = (value: string): void => {
    props.onChange(values.filter((one) => one !== value));
    input.current?.focus();
  };
  return (
    <div class="field chips">
      <label for={id}>{label}</label>
      <div class="chips-box">
        {values.map((value) => (
          <Chip key={value} value={value} onRemove={remove} />
        ))}
        <input
          id={id}
          ref={input}
          value={entry.text}
          placeholder={values.length === 0 ? placeholder : undefined}
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          {...combobox}
          aria-invalid={fault !== undefined}
          aria-describedby={fault === undefined ? undefined : `${id}-fault`}
          onInput={(event) => entry.write(event.currentTarget.value)}
          onFocus={entry.onFocus}
          onBlur={entry.onBlur}
          onKeyDown={entry.onKeyDown}
        />
        {offers.length > 0 && (
          <Offers id={id} label={label} offers={offers} active={active} onChoose={entry.add} />
        )}
      </div>
      {fault !== undefined && (
        <p class="fault" id={`${id}-fault`} role="alert">
          {fault}
        </p>
      )}
    </div>
  );
}

/** The text that is being typed, its fault, and the offers below it. */
function useEntry(props: ChipsFieldProps, input: RefObject<HTMLInputElement | null>) {
  const { values, onChange, isSpaceEnd = false } = props;
  const [text, setText] = useState('');
  const [fault, setFault] = useState<string | undefined>(undefined);
  const [active, setActive] = useState(-1);
  const [isOpen, setOpen] = useState(false);
  const offers = isOpen ? (props.complete?.(text) ?? []) : [];
  const write = (next: string): void => {
    input.current?.setCustomValidity('');
    setText(next);
    setFault(undefined);
    setActive(-1);
    setOpen(true);
  };
  const add = (given: string): void => {
    const wanted = valuesIn(given, isSpaceEnd).filter((one) => !values.includes(one));
    const wrong = wanted.map((one) => props.faultOf?.(one)).find((one) => one !== undefined);
    // At once, so that a form is not submitted without the text that its person sees.
    input.current?.setCustomValidity(wrong ?? '');
    if (wrong !== undefined) {
      setFault(wrong);
      return;
    }
    write('');
    setOpen(false);
    if (wanted.length > 0) onChange([...values, ...wanted]);
  };
  const step = (by: number): void => {
    if (offers.length === 0) setOpen(true);
    else setActive((Math.max(active, by < 0 ? 0 : -1) + by + offers.length) % offers.length);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const { key } = event;
    if (key === 'Enter' || (key === ' ' && isSpaceEnd)) {
      event.preventDefault();
      add(offers[active] ?? text);
    } else if (key === 'ArrowDown' || key === 'ArrowUp') {
      event.preventDefault();
      step(key === 'ArrowDown' ? 1 : -1);
    } else if (key === 'Escape' && offers.length > 0) {
      event.stopPropagation();
      setOpen(false);
    } else if (key === 'Backspace' && text === '' && values.length > 0) {
      onChange(values.slice(0, -1));
    }
  };
  const onFocus = (): void => {
    setOpen(true);
    props.onFocus?.();
  };
  const onBlur = (): void => {
    setOpen(false);
    if (text.trim() !== '') add(text);
  };
  return { text, fault, offers, active, write, add, onKeyDown, onFocus, onBlur };
}

/** The values in a text; none that is empty. */
function valuesIn(text: string, isSpaceEnd: boolean): string[] {
  const parts = isSpaceEnd ? text.split(/\s+/) : [text.trim()];
  return parts.filter((one) => one !== '');
}

interface ChipProps {
  readonly value: string;
  readonly onRemove: (value: string) => void;
}

function Chip({ value, onRemove }: ChipProps) {
  return (
    <button type="button" class="chip" onClick={() => onRemove(value)}>
      <span class="ellipsis">{value}</span>
      <Icon name="close" />
      <span class="hidden">: remove</span>
    </button>
  );
}

interface OffersProps {
  readonly id: string;
  readonly label: string;
  readonly offers: readonly string[];
  readonly active: number;
  readonly onChoose: (offer: string) => void;
}

function Offers({ id, label, offers, active, onChoose }: OffersProps) {
  return (
    <div class="offers" id={`${id}-offers`} role="listbox" aria-label={`${label}: known`}>
      {offers.map((offer, index) => (
        // biome-ignore lint/a11y/useKeyWithClickEvents: the field takes the keys.
        // biome-ignore lint/a11y/useFocusableInteractive: the field names the active offer.
        <div
          key={offer}
          id={`${id}-${index}`}
          role="option"
          aria-selected={index === active}
          class="ellipsis"
          // The field keeps the focus.
          onMouseDown={(event) => event.preventDefault()}
          onClick={() => onChoose(offer)}
        >
          {offer}
        </div>
      ))}
    </div>
  );
}

/** The attributes by which a reader follows the list below the field. */
function comboboxOf(id: string, offers: readonly string[], active: number) {
  return {
    role: 'combobox',
    'aria-expanded': offers.length > 0,
    'aria-controls': offers.length > 0 ? `${id}-offers` : undefined,
    'aria-activedescendant': offers[active] === undefined ? undefined : `${id}-${active}`,
  } as const;
}
