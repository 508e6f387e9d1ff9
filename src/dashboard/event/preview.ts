/**
 * The beginning of a value as JSON, for one line of a list. It reads no more of the value than it shows, so a payload of
 * a MiB costs no more than a small one. Pure.
 */
export function previewOf(value: unknown, lengthMax: number): string {
  const parts: string[] = [];
  let left = lengthMax;
  const write: Write = (text) => {
    parts.push(text.length > left ? text.slice(0, left) : text);
    left -= text.length;
    return left > 0;
  };
  const isWhole = writeValue(value, write, lengthMax);
  return isWhole || left === 0 ? parts.join('') : `${parts.join('')}…`;
}

type Write = (text: string) => boolean;

/** False once there is no more room. */
function writeValue(value: unknown, write: Write, lengthMax: number): boolean {
  if (typeof value === 'string') return write(JSON.stringify(value.slice(0, lengthMax + 1)));
  if (typeof value !== 'object' || value === null) return write(String(value));
  if (!Array.isArray(value)) return writeObject(value, write, lengthMax);
  if (!write('[')) return false;
  // Not `for in`, which would first list all indexes.
  for (let index = 0; index < value.length; index++) {
    if (index > 0 && !write(', ')) return false;
    if (!writeValue(value[index], write, lengthMax)) return false;
  }
  return write(']');
}

function writeObject(value: object, write: Write, lengthMax: number): boolean {
  if (!write('{')) return false;
  let isFirst = true;
  for (const key in value) {
    if (!isFirst && !write(', ')) return false;
    isFirst = false;
    if (!write(`${JSON.stringify(key)}: `)) return false;
    const member: unknown = (value as Readonly<Record<string, unknown>>)[key];
    if (!writeValue(member, write, lengthMax)) return false;
  }
  return write('}');
}
