import { useState } from 'preact/hooks';
import { counted, whole } from '../text/format.js';
import { previewOf } from './preview.js';
import { isBranch, membersOf, sizeOf } from './tree-members.js';

/** A payload as a tree that opens step by step. Only what is open is in the document, and of long lists a part. */

/** Members of one value that are shown at first, and with each “more”. */
const MEMBERS_SHOWN = 100;
/** A value with no more members than this is open at first. */
const OPEN_MEMBERS = 50;
const TEXT_SHOWN = 300;
const SUMMARY_LENGTH = 80;

export function PayloadTree({ value }: { readonly value: unknown }) {
  if (!isBranch(value)) return <Leaf value={value} />;
  return (
    <div class="payload-tree">
      <Members value={value} level={0} />
    </div>
  );
}

function Members({ value, level }: { readonly value: object; readonly level: number }) {
  const [shown, setShown] = useState(MEMBERS_SHOWN);
  const size = sizeOf(value);
  if (size === 0) return <p class="soft">{Array.isArray(value) ? 'An empty list' : 'Empty'}</p>;
  const left = size - shown;
  return (
    <ul>
      {membersOf(value, shown).map(([name, member]) => (
        <Member key={name} name={name} value={member} level={level} />
      ))}
      {left > 0 && (
        <li>
          <button type="button" class="link" onClick={() => setShown(shown + MEMBERS_SHOWN)}>
            {whole(Math.min(left, MEMBERS_SHOWN))} more of {whole(left)}
          </button>
        </li>
      )}
    </ul>
  );
}

interface MemberProps {
  readonly name: string;
  readonly value: unknown;
  readonly level: number;
}

function Member({ name, value, level }: MemberProps) {
  const isSmall = isBranch(value) && sizeOf(value) <= OPEN_MEMBERS;
  const [isOpen, setOpen] = useState(level === 0 && isSmall);
  if (!isBranch(value)) {
    return (
      <li>
        <span class="name">{name}</span>
        <Leaf value={value} />
      </li>
    );
  }
  const isList = Array.isArray(value);
  return (
    <li>
      <button type="button" class="branch" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        <span class="name">{name}</span>
        <span class="soft">
          {isList ? `[${whole(sizeOf(value))}]` : `{${whole(sizeOf(value))}}`}{' '}
          {!isOpen && previewOf(value, SUMMARY_LENGTH)}
        </span>
      </button>
      {isOpen && <Members value={value} level={level + 1} />}
    </li>
  );
}

function Leaf({ value }: { readonly value: unknown }) {
  const [isWhole, setWhole] = useState(false);
  if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)) {
    return (
      <span
        class="leaf is-number"
        title="JavaScript rounds this number; JSON has it as it was sent"
      >
        ≈ {String(value)}
      </span>
    );
  }
  if (typeof value !== 'string') {
    return <span class={`leaf is-${typeof value}`}>{String(value)}</span>;
  }
  if (isWhole || value.length <= TEXT_SHOWN) {
    return <span class="leaf is-string">{JSON.stringify(value)}</span>;
  }
  return (
    <span class="leaf is-string">
      {JSON.stringify(value.slice(0, TEXT_SHOWN))}…{' '}
      <button type="button" class="link" onClick={() => setWhole(true)}>
        show all {counted(value.length, 'character')}
      </button>
    </span>
  );
}
