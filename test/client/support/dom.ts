import { Window } from 'happy-dom';
import type { ReactNode } from 'react';
import { flushSync } from 'react-dom';
import { createRoot, type Root } from 'react-dom/client';
import { afterEach } from 'vitest';

/**
 * A page for React outside of a browser. It is put in place by hand rather than as the environment of
 * the whole file, whose bus and sockets are Node's.
 */
const window = new Window({ url: 'http://127.0.0.1/' });

Object.assign(globalThis, {
  window,
  document: window.document,
});

const roots = new Set<Root>();

export interface Mounted {
  render(node: ReactNode): void;
  unmount(): void;
  readonly text: string;
}

export function mount(node: ReactNode): Mounted {
  const container = window.document.createElement('div');
  const root = createRoot(container as object as Element);
  roots.add(root);
  // With its effects, as a discrete event of a user would be.
  const render = (next: ReactNode): void => flushSync(() => root.render(next));
  render(node);
  return {
    render,
    unmount: () => {
      roots.delete(root);
      root.unmount();
    },
    get text() {
      return container.textContent ?? '';
    },
  };
}

/** Hides the page or shows it again, as a browser does when its tab is changed. */
export function setHidden(isHidden: boolean): void {
  Object.defineProperty(window.document, 'visibilityState', {
    value: isHidden ? 'hidden' : 'visible',
    configurable: true,
  });
  window.document.dispatchEvent(new window.Event('visibilitychange'));
}

afterEach(() => {
  for (const root of roots) root.unmount();
  roots.clear();
});
