import { crc32 } from 'node:zlib';
import { BusError } from '../protocol/errors.js';
import { messageOf } from '../protocol/thrown.js';
import type { Lineage } from '../store/lineage.js';
import { ROOT_NAME } from './segments/segment-names.js';
import type { ArchiveTarget } from './targets/target.js';

/** `archive.json` says which history an archive is of, so that no other one mixes with it. */
const ROOT_FORMAT = 1;

interface Root {
  readonly format: number;
  readonly directory: string;
  readonly shards: number;
}

/**
 * Takes the archive for a history, and begins a new archive where there is none.
 * @param isKnown it was begun before, so it has to be there
 * @throws BusError `OPTION_INVALID` if the archive is another history's, `STORE_CORRUPT`, `ARCHIVE_FAILED`
 */
export async function claimArchive(
  target: ArchiveTarget,
  lineage: Lineage,
  isKnown = false,
): Promise<void> {
  const { directory, shards } = lineage;
  const found = await readRoot(target);
  if (found === undefined) {
    if (isKnown) throw vanished(target);
    await target.put(ROOT_NAME, encode({ format: ROOT_FORMAT, directory, shards }));
    return;
  }
  if (found.directory === directory && found.shards === shards) return;
  const { setting } = target;
  const message =
    `${setting}: ${target.locate(ROOT_NAME)} is the archive of another directory ` +
    `(${found.directory} with ${found.shards} shards, not ${directory} with ${shards})`;
  throw new BusError('OPTION_INVALID', message, {
    details: { setting, expected: directory, found: found.directory },
  });
}

/** @throws BusError `ARCHIVE_FAILED` if there is no archive, or none can be reached; `STORE_CORRUPT` */
export async function assertArchive(target: ArchiveTarget): Promise<void> {
  if ((await readRoot(target)) === undefined) throw vanished(target);
}

function vanished(target: ArchiveTarget): BusError {
  const { setting } = target;
  const file = target.locate(ROOT_NAME);
  const message = `${setting}: ${file} is not there any more, as where a disk is not mounted`;
  return new BusError('ARCHIVE_FAILED', message, { details: { setting, file } });
}

/** `undefined` if there is no archive. @throws BusError `STORE_CORRUPT`, `ARCHIVE_FAILED` */
export async function readRoot(target: ArchiveTarget): Promise<Root | undefined> {
  const bytes = await target.get(ROOT_NAME);
  if (bytes === undefined) return undefined;
  try {
    const { checksum, ...root } = JSON.parse(bytes.toString()) as Root & { checksum: number };
    if (!encode(root).equals(bytes)) throw new Error('its checksum does not match');
    if (root.format !== ROOT_FORMAT) throw new Error(`its format is ${root.format}`);
    return root;
  } catch (error) {
    const file = target.locate(ROOT_NAME);
    const reason = messageOf(error);
    throw new BusError('STORE_CORRUPT', `${file}: ${reason}`, { details: { file, reason } });
  }
}

function encode(root: Root): Buffer {
  const checksum = crc32(JSON.stringify(root));
  return Buffer.from(`${JSON.stringify({ ...root, checksum })}\n`);
}
