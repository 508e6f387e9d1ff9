/**
 * Reads values thrown by a handler, a validator or a file system call. JavaScript can throw anything (an object without
 * a prototype, a symbol, a proxy whose traps throw), and under test runners that give each file a `vm` context a
 * platform's error is not an `instanceof Error`. Nothing here throws.
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

/** An error's message, or its name if the message is empty; any other value as text. */
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

/** The value itself if it is an error, otherwise an error with the value as its cause. */
export function errorOf(thrown: unknown): Error {
  return isError(thrown) ? thrown : new Error(messageOf(thrown), { cause: thrown });
}

/** The `code` of an error that has one, such as `ENOENT` or `SQLITE_BUSY`; otherwise `''`. */
export function codeOf(thrown: unknown): string {
  try {
    if (!isError(thrown) || !('code' in thrown)) return '';
    return typeof thrown.code === 'string' ? thrown.code : '';
  } catch {
    return '';
  }
}
