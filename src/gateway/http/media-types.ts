import { quote } from '../../protocol/quote.js';
import { Refusal } from '../refusal.js';

/** Parses `Content-Type`, and chooses the type of an answer by `Accept`. Pure. */

export interface MediaType {
  /** In lower case and without parameters: `application/json`; empty where there is no header. */
  readonly name: string;
  readonly charset: string | undefined;
}

export function parseMediaType(header: string | undefined): MediaType {
  if (header === undefined) return { name: '', charset: undefined };
  const [name = '', ...parameters] = header.split(';').map((part) => part.trim().toLowerCase());
  const charset = parameters.find((parameter) => parameter.startsWith('charset='));
  return { name, charset: charset?.slice('charset='.length).replaceAll('"', '') };
}

/** True for `application/json`, `text/json` and types that end in `+json`. */
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
 * The type in `offered` with the highest quality in `Accept`; the first of several equal ones, or where there is no
 * header.
 *
 * @throws Refusal 406 where the client accepts none of them
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
  const message = `accept ${quote(accept)} matches none of ${offered.join(', ')}`;
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
