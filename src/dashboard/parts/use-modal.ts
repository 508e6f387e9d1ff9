import type { RefObject } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';

/**
 * Opens a dialog above the page for as long as its component is there. A dialog that is closed gives the focus back to
 * what had it; one that is only removed does not. Where that is gone too, the screen takes the focus.
 */
export function useModal(): RefObject<HTMLDialogElement | null> {
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const element = dialog.current!;
    element.showModal();
    return () => {
      element.close();
      if (document.activeElement === document.body) document.getElementById('screen')?.focus();
    };
  }, []);
  return dialog;
}
