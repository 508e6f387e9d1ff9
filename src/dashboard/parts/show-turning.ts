import { options, type VNode } from 'preact';
import { visibleText } from '../text/visible.js';

/**
 * Escapes what turns the direction of a text, in every text of the page and in what is read out or shown as a hint. It
 * is done where elements are made, so that no screen can forget it. Fields keep what was typed.
 */
export function showTurning(): void {
  const before = options.vnode;
  options.vnode = (vnode) => {
    escapeTexts(vnode);
    before?.(vnode);
  };
}

const SHOWN = ['title', 'aria-label'] as const;

function escapeTexts(vnode: VNode): void {
  const { type, props } = vnode;
  // A text is an element without a type, and its text stands in the place of its properties.
  if (type === null && typeof props === 'string') Reflect.set(vnode, 'props', visibleText(props));
  if (typeof type !== 'string') return;
  for (const name of SHOWN) {
    const value: unknown = Reflect.get(props, name);
    if (typeof value === 'string') Reflect.set(props, name, visibleText(value));
  }
}
