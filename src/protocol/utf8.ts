/** Measures text in UTF-8 without encoding it, as the texts are short and browsers have no `Buffer.byteLength`. */

export function isHighSurrogate(code: number): boolean {
  return (code & 0xfc00) === 0xd800;
}

export function isLowSurrogate(code: number): boolean {
  return (code & 0xfc00) === 0xdc00;
}

/** The length in bytes of UTF-8. A lone surrogate counts three, as encoders replace it by U+FFFD. */
export function utf8Length(text: string): number {
  const { length } = text;
  let bytes = length;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x80) continue;
    if (code < 0x800) bytes += 1;
    else if (isHighSurrogate(code) && isLowSurrogate(text.charCodeAt(i + 1))) {
      // Two code units, four bytes.
      bytes += 2;
      i++;
    } else bytes += 2;
  }
  return bytes;
}

/** The offset of the first surrogate without its other half, or -1. Text with one cannot be encoded in UTF-8. */
export function loneSurrogateAt(text: string): number {
  const { length } = text;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if ((code & 0xf800) !== 0xd800) continue;
    if (!isHighSurrogate(code) || !isLowSurrogate(text.charCodeAt(i + 1))) return i;
    i++;
  }
  return -1;
}
