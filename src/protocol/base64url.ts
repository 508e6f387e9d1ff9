/** Base64url without padding (RFC 4648, section 5) for short values, also in browsers, which have no `Buffer`. */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const NO_VALUE = 0xff;
const VALUES = new Uint8Array(0x80).fill(NO_VALUE);
for (let value = 0; value < ALPHABET.length; value++) VALUES[ALPHABET.charCodeAt(value)] = value;

export function encodeBase64Url(bytes: ArrayLike<number>): string {
  let text = '';
  let bits = 0;
  let held = 0;
  for (let i = 0; i < bytes.length; i++) {
    bits = ((bits << 8) | bytes[i]!) & 0xffff;
    held += 8;
    for (; held >= 6; held -= 6) text += ALPHABET[(bits >> (held - 6)) & 0x3f];
  }
  return held === 0 ? text : text + ALPHABET[(bits << (6 - held)) & 0x3f];
}

/** Decodes a text; `undefined` if `encodeBase64Url` could not have written it. */
export function decodeBase64Url(text: string): Uint8Array | undefined {
  if (text.length % 4 === 1) return undefined;
  const bytes = new Uint8Array(Math.floor((text.length * 6) / 8));
  let length = 0;
  let bits = 0;
  let held = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const value = code > 0x7f ? NO_VALUE : VALUES[code]!;
    if (value === NO_VALUE) return undefined;
    bits = ((bits << 6) | value) & 0xffff;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes[length++] = (bits >> held) & 0xff;
  }
  // The last character may have bits that belong to no byte; they have to be zero.
  const isCanonical = (bits & ((1 << held) - 1)) === 0;
  return isCanonical ? bytes : undefined;
}
