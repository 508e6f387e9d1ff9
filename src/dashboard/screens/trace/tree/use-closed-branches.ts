import { type Signal, useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { pathTo, type TreeNode } from '../run/causation.js';

/**
 * The entries below which the tree shows nothing. The chosen entry is never hidden: to choose one opens what is above
 * it, and to close a branch around it chooses the top of that branch.
 */
export function useClosedBranches(
  forest: readonly TreeNode[],
  chosen: Signal<number | undefined>,
): { readonly closed: ReadonlySet<number>; readonly toggle: (key: number) => void } {
  const closed = useSignal<ReadonlySet<number>>(new Set());
  const aboveChosen = (): number[] =>
    chosen.value === undefined ? [] : pathTo(forest, chosen.value);
  // biome-ignore lint/correctness/useExhaustiveDependencies: only another choice opens branches.
  useEffect(() => {
    if (closed.value.size === 0) return;
    const next = new Set(closed.value);
    for (const key of aboveChosen()) next.delete(key);
    if (next.size < closed.value.size) closed.value = next;
  }, [chosen.value]);
  const toggle = (key: number): void => {
    const next = new Set(closed.value);
    if (!next.delete(key)) {
      next.add(key);
      if (aboveChosen().includes(key)) chosen.value = key;
    }
    closed.value = next;
  };
  return { closed: closed.value, toggle };
}
