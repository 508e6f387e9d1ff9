import { MASKED_INPUT_LENGTH_MAX } from './limits/sinks.js';

/**
 * Texts for people who may see figures and no credentials: the user, the query and the fragment of a URL are masked, a
 * part of its path that looks like a key, and the keys and secrets whose form Millrace knows. `…` stands for what is masked.
 * Pure.
 */

const MASK = '…';
/** The length of a scheme is bounded, as each letter could begin one. */
const URLS = /(?:[a-z][a-z0-9+.-]{0,30}:\/\/|(?:https?|wss?):)\S+/gi;
const SECRETS =
  /whsec_[\w+/=-]+|mr_[0-9a-z]{16}_[\w-]*|eyJ[\w-]+\.[\w.-]*|(?<=bearer\s)\S+|(?<=authorization:\s?\w{1,20}\s)\S+/gi;
/** A query without a URL in front of it, as in the `Location` of a redirect. */
const QUERIES = /\?(?=\w)\S+|\?[^\s?]*=\S*/g;
/** A name and a password without a scheme. */
const USERS = /[^\s/:@]{1,64}:[^\s/@]{1,256}@/g;
/** A part of a path as receivers of webhooks have it whose path is the secret. */
const KEY_LENGTH_MIN = 20;
const ANY_LENGTH_MIN = 48;

/** A text, such as a message, with what stands between white space masked; at most `limit` characters. */
export function maskedText(text: string, limit: number): string {
  const masked = whole(text)
    .replace(URLS, maskedUrl)
    .replace(SECRETS, maskedSecret)
    .replace(QUERIES, `?${MASK}`)
    .replace(USERS, `${MASK}@`);
  return cut(masked, limit);
}

/** Where to a sink goes: one URL, or any other text; at most `limit` characters. */
export function maskedTarget(target: string, limit: number): string {
  const isUrl = target.length <= MASKED_INPUT_LENGTH_MAX && /^\s*[a-z][a-z0-9+.-]+:/i.test(target);
  return isUrl ? cut(maskedUrl(target), limit) : maskedText(target, limit);
}

function maskedUrl(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return `${text.slice(0, text.indexOf(':') + 1)}//${MASK}`;
  }
  const { protocol, host, username, password, search, hash } = url;
  const user = username === '' && password === '' ? '' : `${MASK}@`;
  // A URL without a host, such as `data:`, has all in its path.
  if (host === '') return protocol === 'file:' ? `file://${url.pathname}` : `${protocol}${MASK}`;
  const path = url.pathname.split('/').map(maskedSegment).join('/');
  return `${protocol}//${user}${host}${path}${search && `?${MASK}`}${hash && `#${MASK}`}`;
}

function maskedSegment(segment: string): string {
  const { length } = segment;
  const kinds = [/[a-z]/, /[A-Z]/, /\d/].filter((kind) => kind.test(segment)).length;
  const isKey = length >= KEY_LENGTH_MIN && kinds > 1;
  if (isKey || length >= ANY_LENGTH_MIN) return MASK;
  // A second URL, behind a comma, has its user in the path of the first.
  return segment.replace(/^.+@/, `${MASK}@`).replace(SECRETS, maskedSecret);
}

function maskedSecret(secret: string): string {
  return `${/^(?:whsec_|mr_)/i.exec(secret)?.[0] ?? ''}${MASK}`;
}

/** The text up to a bound, without the word at which it is cut: a part of a URL could not be told as one. */
function whole(text: string): string {
  if (text.length <= MASKED_INPUT_LENGTH_MAX) return text;
  let end = MASKED_INPUT_LENGTH_MAX;
  while (end > 0 && !/\s/.test(text[end]!)) end--;
  return `${text.slice(0, end)}${MASK}`;
}

function cut(text: string, limit: number): string {
  if (text.length <= limit) return text;
  // No half of a surrogate pair.
  return `${text.slice(0, limit - 1).replace(/[\uD800-\uDBFF]$/, '')}${MASK}`;
}
