/** A bucket of S3, or of a server that speaks its protocol. */
export interface ArchiveBucket {
  /** The URL of the server, without the bucket. Default: that of AWS in the region. */
  endpoint?: string;
  /** Default `us-east-1`. */
  region?: string;
  bucket: string;
  /** Names of objects begin with it: `orders/archive`. Default: nothing. */
  prefix?: string;
  /** Default: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN` of the environment. */
  credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken?: string };
}

/** Where what retention removes goes first: `dir` or `s3`. */
export interface ArchiveOptions {
  /**
   * A directory of its own, best on another disk. Made if it does not exist; one bus alone may use it. Default: none, `s3`
   * says where.
   */
  dir?: string;
  /** A bucket; needs the package `aws4fetch`. Default: none, `dir` says where. */
  s3?: ArchiveBucket;
  /** The records that one segment takes, in bytes before they are compressed, 64 KiB to 256 MiB. Default 16 MiB. */
  segmentBytes?: number;
  /** A shard makes a segment that is not full no more often than this, ms. Default 30,000. */
  segmentMs?: number;
  /** Removes archived events that were recorded longer ago than this, by whole segments. Default: all stay. */
  maxAgeMs?: number;
  /** Removes the oldest segments while the archive is larger. Default: all stay. */
  maxBytes?: number;
}

/** What a shard's archive has. */
export interface ArchiveStats {
  /** Every event of the shard up to this sequence is archived. */
  readonly through: number;
  readonly segments: number;
  /** Bytes of the segments, compressed. */
  readonly bytes: number;
  /** Events archived since the bus was opened. */
  readonly events: number;
  /** For how long retention has waited for the archive, ms; 0: it does not. */
  readonly waitingMs: number;
  /** For how long archiving has failed, ms; 0: it does not. `onError` has told why. */
  readonly failingMs: number;
}
