import { DirectoryTarget } from './directory-target.js';
import type { ArchivePlace, ArchiveTarget } from './target.js';

/** @throws BusError `OPTION_INVALID` */
export async function openTarget(place: ArchivePlace): Promise<ArchiveTarget> {
  if ('dir' in place) return new DirectoryTarget(place.dir);
  const { S3Target } = await import('./s3-target.js');
  return S3Target.open(place.s3);
}
