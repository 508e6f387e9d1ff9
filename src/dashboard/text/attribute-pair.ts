/**
 * An attribute of an event as one text: `key=value`. A key that has `=` in it, or begins with `"`, stands in quotes, as
 * a JSON string: `"a=b"=value`. Pure.
 */
export function attributeText(key: string, value: string): string {
  const isPlain = key !== '' && !key.includes('=') && !key.startsWith('"');
  return `${isPlain ? key : JSON.stringify(key)}=${value}`;
}

/** The key and value of a text; `undefined` for one that is no attribute. */
export function attributePair(text: string): readonly [string, string] | undefined {
  const quoted = /^("(?:[^"\\]|\\.)*")=(.*)$/s.exec(text);
  if (quoted !== null) {
    const key = unquoted(quoted[1]!);
    return key === undefined ? undefined : [key, quoted[2]!];
  }
  const end = text.indexOf('=');
  return end > 0 && !text.startsWith('"') ? [text.slice(0, end), text.slice(end + 1)] : undefined;
}

/** Why a text is no attribute; `undefined` if it is one. */
export function attributeFault(text: string): string | undefined {
  return attributePair(text) === undefined ? `"${text}" is not of the form key=value` : undefined;
}

function unquoted(text: string): string | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
