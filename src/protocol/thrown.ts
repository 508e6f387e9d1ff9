/**
 * What was thrown, by whoever threw it: a handler, a validator, a file system call. JavaScript throws anything (an object
 * without a prototype, a symbol, a proxy whose traps throw), and under test runners that give each file a `vm` context
 * an error of the platform is no `instanceof Error`. Nothing here throws.
 */

const UNPRINTABLE = 'something that cannot be printed';

/** An error of this realm or another one. */
export function isError(thrown: unknown): thrown is Error {
  try {
    if (thrown instanceof Error) return true;
    const kind = Object.prototype.toString.call(thrown);
    return kind === '[object Error]' || kind === '[object DOMException]';
  } catch {
    return false;
  }
}

/** In words: an error's message, or its name where it has none; anything else as `String` has it. */
export function messageOf(thrown: unknown): string {
  try {
    if (!isError(thrown)) return String(thrown);
    const { message, name } = thrown;
    if (typeof message === 'string' && message !== '') return message;
    return typeof name === 'string' ? name : UNPRINTABLE;
  } catch {
    return UNPRINTABLE;
  }
}

/** As an error: itself where it is one. */
export function errorOf(thrown: unknown): Error {
  return isError(thrown) ? thrown : new Error(messageOf(thrown), { cause: thrown });
}

/** `code` of an error that has one, such as `ENOENT` and `SQLITE_BUSY`; else empty. */
export function codeOf(thrown: unknown): string {
  try {
    if (!isError(thrown) || !('code' in thrown)) return '';
    return typeof thrown.code === 'string' ? thrown.code : '';
  } catch {
    return '';
  }
}
