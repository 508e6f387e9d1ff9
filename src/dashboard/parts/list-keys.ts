/** The keys of a list of rows in which one row is chosen. */

/** By the name of the key. */
export type ListSteps = Readonly<Record<string, () => void>>;

const PAGE_ROWS = 10;

/**
 * The keys that every list takes.
 *
 * @param at the index of the chosen row
 * @param choose takes any index; one beyond the rows means the row at that end
 */
export function listSteps(at: number, choose: (index: number) => void): ListSteps {
  return {
    ArrowUp: () => choose(at - 1),
    ArrowDown: () => choose(at + 1),
    PageUp: () => choose(at - PAGE_ROWS),
    PageDown: () => choose(at + PAGE_ROWS),
    Home: () => choose(0),
  };
}

/** Takes the step of a pressed key, where it has one. Keys with Ctrl, Alt or Meta are the browser's. */
export function takeStep(event: KeyboardEvent, steps: ListSteps): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const step = steps[event.key];
  if (step === undefined) return;
  event.preventDefault();
  step();
}
