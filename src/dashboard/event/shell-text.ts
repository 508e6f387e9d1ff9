/** Texts as a shell (POSIX, and `$'…'` as in bash and zsh) takes them. Pure. */

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/;

/** One word. Control characters are written as escapes, so that a paste does nothing but fill the line. */
export function shellWord(text: string): string {
  if (/^[A-Za-z0-9_./:@%+,-]+$/.test(text)) return text;
  if (!CONTROL.test(text)) return `'${text.replaceAll("'", `'\\''`)}'`;
  return `$'${[...text].map(escaped).join('')}'`;
}

/**
 * Lines for the standard input of a command, to stand behind it. The word that ends them is one that is no line of the
 * text.
 */
export function shellInput(text: string): string {
  let end = 'EOF';
  while (text.split('\n').includes(end)) end += '_';
  return `<<'${end}'\n${text}\n${end}`;
}

/** A JSON text in which every control character is an escape. They can stand only within its texts. */
export function plainJson(json: string): string {
  return json.replaceAll(new RegExp(CONTROL, 'g'), (found) => {
    return `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/** Octal digits, of the bytes of UTF-8: every shell with `$'…'` knows them. */
function escaped(character: string): string {
  if (character === "'" || character === '\\') return `\\${character}`;
  if (!CONTROL.test(character)) return character;
  const bytes = [...new TextEncoder().encode(character)];
  return bytes.map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');
}
