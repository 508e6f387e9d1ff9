/**
 * Handlers of a field whose text is used once Enter is pressed or the field is left. Not `onChange`: `preact/compat`
 * makes `onInput` of it, which comes with each key.
 */
export function onCommit(use: (text: string) => void) {
  return {
    onBlur: (event: FocusEvent & { currentTarget: HTMLInputElement }) =>
      use(event.currentTarget.value),
    onKeyDown: (event: KeyboardEvent & { currentTarget: HTMLInputElement }) => {
      if (event.key === 'Enter') use(event.currentTarget.value);
    },
  };
}
