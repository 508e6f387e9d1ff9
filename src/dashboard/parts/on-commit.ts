/**
 * Handlers of a field whose text is used once Enter is pressed or the field is left. Not `onChange`: `preact/compat`
 * makes `onInput` of it, which comes with each key.
 */
export function onCommit(use: (text: string, field: HTMLInputElement) => void) {
  return {
    onBlur: ({ currentTarget }: FocusEvent & { currentTarget: HTMLInputElement }) =>
      use(currentTarget.value, currentTarget),
    onKeyDown: ({ key, currentTarget }: KeyboardEvent & { currentTarget: HTMLInputElement }) => {
      if (key === 'Enter') use(currentTarget.value, currentTarget);
    },
  };
}
