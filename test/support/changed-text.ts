/** A planted fault: one place of a compiled file that is changed. */
export interface Mutation {
  /** A file, without its ending. */
  readonly file: string;
  /** Stands once in the compiled file, but for white space. */
  readonly from: string;
  readonly to: string;
}

/** The text with the place changed. @throws Error if the place is not there once */
export function changed(text: string, { file, from, to }: Mutation): string {
  const words = from.trim().split(/\s+/);
  const pattern = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('\\s+');
  const places = [...text.matchAll(new RegExp(pattern, 'g'))];
  if (places.length !== 1) throw new Error(`${file} has ${places.length} places with ${from}`);
  return text.replace(places[0]![0], () => to);
}
