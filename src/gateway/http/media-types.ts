import { quote } from '../../protocol/quote.js';
import { Refusal } from '../refusal.js';

/** What a body is, and what an answer may be: `Content-Type` and `Accept`. Pure. */

export interface MediaType {
  /** `application/json`, in lower case and without parameters; empty where nothing was said. */
  readonly name: string;
  readonly charset: string | undefined;
}

export function parseMediaType(header: string | undefined): MediaType {
  if (header === undefined) return { name: '', charset: undefined };
  const [name = '', ...parameters] = header.split(';').map((part) => part.trim().toLowerCase());
  const charset = parameters.find((parameter) => parameter.startsWith('charset='));
  return { name, charset: charset?.slice('charset='.length).replaceAll('"', '') };
}

/** `application/json` and whatever ends in `+json`. */
export function isJsonType(name: string): boolean {
  return (
    name === 'application/json' || name === 'text/json' || /^[\w.-]+\/[\w.-]+\+json$/.test(name)
  );
}

interface Range {
  readonly name: string;
  readonly quality: number;
}

/**
 * The one of `offered` that the client likes best; the first of them where it says nothing, or likes several equally.
 *
 * @throws Refusal 406
 */
export function negotiate<T extends string>(accept: string | undefined, offered: readonly T[]): T {
  if (accept === undefined || accept.trim() === '') return offered[0]!;
  const ranges = accept.split(',').map(parseRange);
  let best: T | undefined;
  let bestQuality = 0;
  for (const type of offered) {
    const quality = qualityOf(type, ranges);
    if (quality <= bestQuality) continue;
    best = type;
    bestQuality = quality;
  }
  if (best !== undefined) return best;
  const message = `nothing here is ${quote(accept)}; there is ${offered.join(', ')}`;
  throw new Refusal(406, 'MESSAGE_INVALID', message, { path: 'accept', offered });
}

/** The most specific range decides. */
function qualityOf(type: string, ranges: readonly Range[]): number {
  const group = `${type.slice(0, type.indexOf('/'))}/*`;
  for (const name of [type, group, '*/*']) {
    const range = ranges.find((one) => one.name === name);
    if (range !== undefined) return range.quality;
  }
  return 0;
}

function parseRange(text: string): Range {
  const [name = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase());
  const weight = parameters.find((parameter) => parameter.startsWith('q='));
  const quality = weight === undefined ? 1 : Number(weight.slice(2));
  return { name, quality: quality >= 0 && quality <= 1 ? quality : 0 };
}
