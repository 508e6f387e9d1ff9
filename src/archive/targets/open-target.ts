import { DirectoryTarget } from './directory-target.js';
import type { ArchivePlace, ArchiveTarget } from './target.js';

/** @throws BusError `OPTION_INVALID` */
export async function openTarget(place: ArchivePlace): Promise<ArchiveTarget> {
  return new DirectoryTarget(place.dir);
}
