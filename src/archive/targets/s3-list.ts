import type { TargetObject } from './target.js';

/**
 * Answers of S3 in XML: elements by their names, since the names of objects are the archive's own and need few escapes. An
 * answer to a list counts only if it is a whole one. Objects that it left out would count as gone. Pure.
 */

/** A part of a list, and where the next one begins; `undefined`: it was the last. */
export interface ListPart {
  readonly objects: readonly TargetObject[];
  readonly next: string | undefined;
}

/** @param prefixLength of each key, which names do not have. @throws Error if the text is no whole list */
export function listPartOf(xml: string, prefixLength: number): ListPart {
  if (!/<ListBucketResult[\s>]/.test(xml) || !/<\/ListBucketResult>\s*$/.test(xml)) {
    throw new Error('the answer is no list of objects, or not a whole one');
  }
  const objects = elementsOf(xml).map((object) => {
    const [key, size] = [textOf(object, 'Key'), textOf(object, 'Size')];
    if (key.length <= prefixLength || !/^\d+$/.test(size)) {
      throw new Error('the list has an object without a name or a size');
    }
    return { name: key.slice(prefixLength), bytes: Number(size) };
  });
  if (textOf(xml, 'IsTruncated') !== 'true') return { objects, next: undefined };
  const next = textOf(xml, 'NextContinuationToken');
  if (next === '') throw new Error('the list goes on, and does not say where');
  return { objects, next };
}

const BEGIN = '<Contents>';
const END = '</Contents>';

/** What is in each `Contents`. A search by one expression would look from each beginning to the end of the text. */
function elementsOf(xml: string): string[] {
  const found: string[] = [];
  let end = 0;
  for (;;) {
    const begin = xml.indexOf(BEGIN, end);
    if (begin < 0) return found;
    end = xml.indexOf(END, begin);
    if (end < 0) throw new Error('an object in the list does not end');
    found.push(xml.slice(begin + BEGIN.length, end));
  }
}

const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
};

/** The text of the first element of a name; `''` if there is none. */
export function textOf(xml: string, element: string): string {
  const text = new RegExp(`<${element}>([^<]*)</${element}>`).exec(xml)?.[1] ?? '';
  return text.replace(/&(amp|lt|gt|quot|apos);/g, (_, name: string) => ENTITIES[name]!);
}
