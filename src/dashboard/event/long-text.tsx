import { useState } from 'preact/hooks';
import { counted } from '../text/format.js';

/**
 * A text of any length. Of a long one the beginning is shown; all of it comes in blocks that the browser lays out as
 * they come into sight.
 */

/** Characters. */
const BEGINNING = 4000;
const BLOCK = 8000;

export function LongText({ text }: { readonly text: string }) {
  const [isWhole, setWhole] = useState(false);
  if (text.length <= BEGINNING) return <pre class="long-text">{text}</pre>;
  if (!isWhole) {
    return (
      <>
        <pre class="long-text">{text.slice(0, BEGINNING)}…</pre>
        <button type="button" onClick={() => setWhole(true)}>
          Show all {counted(text.length, 'character')}
        </button>
      </>
    );
  }
  return (
    <pre class="long-text is-whole">
      {blocksOf(text).map((block, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the blocks of a text keep their places.
        <span key={index}>{block}</span>
      ))}
    </pre>
  );
}

/** Cuts a text into blocks, at a line break where there is one near. */
function blocksOf(text: string): string[] {
  const blocks: string[] = [];
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf('\n', start + BLOCK);
    const next = end < 0 || end - start > 2 * BLOCK ? start + BLOCK : end + 1;
    blocks.push(text.slice(start, next));
    start = next;
  }
  return blocks;
}
