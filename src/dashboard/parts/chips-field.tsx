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
  const { label, values, onChange, placeholder, isSpaceEnd = false } = props;
  const id = useUniqueId();
  const input = useRef<HTMLInputElement>(null);
  const [text, setText] = useState('');
  const [fault, setFault] = useState<string | undefined>(undefined);
  const [active, setActive] = useState(-1);
  const [isOpen, setOpen] = useState(false);
  const offers = isOpen ? (props.complete?.(text) ?? []) : [];
  const combobox = props.complete === undefined ? {} : comboboxOf(id, offers, active);

  const write = (next: string): void => {
    input.current?.setCustomValidity('');
    setText(next);
    setFault(undefined);
    setActive(-1);
    setOpen(true);
  };
  const add = (given: string): void => {
    const added = isSpaceEnd ? given.split(/\s+/).filter((one) => one !== '') : [given.trim()];
    const wanted = added.filter((one) => one !== '' && !values.includes(one));
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
  const remove = (value: string): void => {
    onChange(values.filter((one) => one !== value));
    input.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const { key } = event;
    if (key === 'Enter' || (key === ' ' && isSpaceEnd)) {
      event.preventDefault();
      add(offers[active] ?? text);
    } else if (key === 'ArrowDown' || key === 'ArrowUp') {
      if (offers.length === 0) setOpen(true);
      else setActive((active + (key === 'ArrowDown' ? 1 : offers.length)) % offers.length);
      event.preventDefault();
    } else if (key === 'Escape' && isOpen && offers.length > 0) {
      event.stopPropagation();
      setOpen(false);
    } else if (key === 'Backspace' && text === '' && values.length > 0) {
      onChange(values.slice(0, -1));
    }
  };
  const onBlur = (): void => {
    setOpen(false);
    if (text.trim() !== '') add(text);
  };

  return (
    <div class="field chips">
      <label for={id}>{label}</label>
      <div class="chips-box">
        {values.map((value) => (
          <button type="button" class="chip" key={value} onClick={() => remove(value)}>
            <span class="ellipsis">{value}</span>
            <Icon name="close" />
            <span class="hidden">: remove</span>
          </button>
        ))}
        <input
          id={id}
          ref={input}
          value={text}
          placeholder={values.length === 0 ? placeholder : undefined}
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          {...combobox}
          aria-invalid={fault !== undefined}
          aria-describedby={fault === undefined ? undefined : `${id}-fault`}
          onInput={(event) => write(event.currentTarget.value)}
          onFocus={() => {
            setOpen(true);
            props.onFocus?.();
          }}
          onBlur={onBlur}
          onKeyDown={onKeyDown}
        />
        {offers.length > 0 && (
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
                onClick={() => add(offer)}
              >
                {offer}
              </div>
            ))}
          </div>
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

/** The attributes by which a reader follows the list below the field. */
function comboboxOf(id: string, offers: readonly string[], active: number) {
  return {
    role: 'combobox',
    'aria-expanded': offers.length > 0,
    'aria-controls': offers.length > 0 ? `${id}-offers` : undefined,
    'aria-activedescendant': offers[active] === undefined ? undefined : `${id}-${active}`,
  } as const;
}
