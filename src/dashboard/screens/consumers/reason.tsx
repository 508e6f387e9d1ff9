import { useState } from 'preact/hooks';

/** Why something failed, as its member said it: of a long text the beginning, and all of it once somebody asks. */

/** Characters. */
const BEGINNING = 160;

export function Reason({ text, of }: { readonly text: string; readonly of: string }) {
  const [isWhole, setWhole] = useState(false);
  if (text.length <= BEGINNING) return <>{text}</>;
  return (
    <>
      <span class={isWhole ? 'whole' : ''}>
        {isWhole ? text : `${text.slice(0, BEGINNING).trimEnd()} …`}
      </span>{' '}
      <button
        type="button"
        class="quiet"
        aria-expanded={isWhole}
        onClick={() => setWhole(!isWhole)}
      >
        {isWhole ? 'Less' : 'All of it'}
        <span class="hidden"> of the reason of {of}</span>
      </button>
    </>
  );
}
