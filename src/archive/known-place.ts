import { type KeptObject, readKept } from '../protocol/kept-object.js';
import type { KeptText } from '../store/log-store.js';
import type { ArchivePlace } from './targets/target.js';

/**
 * The log's own note of where its archive is, beside the log. Without it an empty directory under which a disk is not
 * mounted would be taken for a place in which no archive was begun yet.
 */
const FORM = { format: 1, lengthMax: 16_384 };

/** @throws BusError `STORE_CORRUPT` naming the file and its fault, or the error of the system */
export function isKnownPlace(note: KeptText, place: ArchivePlace): boolean {
  return readKept(note, FORM, placeIn) === textOf(place);
}

/** Notes that the archive is there. @throws BusError */
export function notePlace(note: KeptText, place: ArchivePlace): void {
  if (isKnownPlace(note, place)) return;
  note.write(`${JSON.stringify({ format: FORM.format, place: textOf(place) }, null, 2)}\n`);
}

function placeIn({ place }: KeptObject): string {
  if (typeof place !== 'string') throw new Error('its field "place" is no text');
  return place;
}

function textOf(place: ArchivePlace): string {
  if ('dir' in place) return place.dir;
  const { endpoint = 's3', bucket, prefix } = place.s3;
  return `${endpoint}/${bucket}/${prefix}`;
}
