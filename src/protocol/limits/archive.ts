import { KIB, MIB } from './units.js';

/** Limits of the archive, which takes what retention removes. */

/** How much of records, uncompressed, a segment takes before it ends. */
export const ARCHIVE_SEGMENT_BYTES = 16 * MIB;
export const ARCHIVE_SEGMENT_BYTES_MIN = 64 * KIB;
export const ARCHIVE_SEGMENT_BYTES_MAX = 256 * MIB;
/** A shard makes a segment that is not full no more often than this. */
export const ARCHIVE_SEGMENT_MS = 30_000;
/** The part of a segment that is compressed and read as one. A larger one costs a reader of few events more. */
export const ARCHIVE_CHUNK_BYTES = 256 * KIB;
/** Events of a chunk. */
export const ARCHIVE_CHUNK_EVENTS = 4096;
/** How often the archiver looks whether retention waits for it. */
export const ARCHIVE_POLL_MS = 100;
/** The pause after a failed attempt, doubled up to the longest. */
export const ARCHIVE_RETRY_MS = 500;
export const ARCHIVE_RETRY_MS_MAX = 60_000;
/** How often the archiver looks whether segments are to be removed by age or size. */
export const ARCHIVE_RETENTION_MS = 10_000;
/** How long opening a bus waits for the archive's first answer; after it the bus opens without. */
export const ARCHIVE_ATTACH_MS = 10_000;
/** How long closing a bus waits for the archiver to leave what it does. */
export const ARCHIVE_CLOSE_MS = 2000;
/**
 * The most that a chunk has before it is compressed: a page with the largest payload. An index has at most so much too, so a
 * segment ends before it has half of that.
 */
export const ARCHIVE_CHUNK_RAW_BYTES_MAX = 80 * MIB;
export const ARCHIVE_INDEX_BYTES_MAX = 32 * MIB;
/** Neighbouring chunks that a reader fetches at once, compressed. */
export const ARCHIVE_FETCH_BYTES = MIB;
/** Compressed and decompressed chunks that each reading thread keeps. */
export const ARCHIVE_CACHE_BYTES = 16 * MIB;
/** Indexes of segments that each reading thread keeps. */
export const ARCHIVE_INDEXES_MAX = 8;
/** A page looks through the archive for so long, and then goes on with the next page. */
export const ARCHIVE_PAGE_MS = 100;
/** One request to an S3 server. */
export const ARCHIVE_REQUEST_MS = 60_000;
/**
 * The longest answers of an S3 server, and the largest files of an archive, that are read: data of a segment, a list, a
 * manifest or another note, and an answer that tells nothing but an error. Whoever answers need not be who should.
 */
export const ARCHIVE_DATA_BYTES_MAX = 2 * ARCHIVE_SEGMENT_BYTES_MAX;
export const ARCHIVE_LIST_BYTES_MAX = 8 * MIB;
export const ARCHIVE_NOTE_BYTES_MAX = 1 * MIB;
export const ARCHIVE_ERROR_BYTES_MAX = 64 * KIB;
/** The characters of an error's code and message that are told. */
export const ARCHIVE_ERROR_LENGTH_MAX = 256;
/** The objects of one shard: two for each segment. */
export const ARCHIVE_OBJECTS_MAX = 5_000_000;
/** How many parts of a list, one after another, may have no object, and say that there are more. */
export const ARCHIVE_EMPTY_PARTS_MAX = 16;
