import { useEffect, useState } from 'preact/hooks';
import { Icon } from '../parts/icon.js';

/** Copies a text. It is made only when somebody asks for it. */
export interface CopyButtonProps {
  /** Of what: `the id`. */
  readonly what: string;
  readonly text: () => string;
}

const TOLD_MS = 2000;

export function CopyButton({ what, text }: CopyButtonProps) {
  const [told, setTold] = useState<string | undefined>(undefined);
  useEffect(() => {
    if (told === undefined) return;
    const timer = setTimeout(() => setTold(undefined), TOLD_MS);
    return () => clearTimeout(timer);
  }, [told]);
  const copy = (): void => {
    // A page that is not served over HTTPS or from this machine has no clipboard.
    const clipboard: Clipboard | undefined = navigator.clipboard;
    if (clipboard === undefined) {
      setTold('The browser allows no copying here');
      return;
    }
    clipboard.writeText(text()).then(
      () => setTold('Copied'),
      () => setTold('The browser refused to copy'),
    );
  };
  return (
    <span class="copy">
      <button type="button" class="quiet" onClick={copy} title={`Copy ${what}`}>
        <Icon name="copy" />
        <span class="hidden">Copy {what}</span>
      </button>
      <span class="soft" role="status">
        {told}
      </span>
    </span>
  );
}
