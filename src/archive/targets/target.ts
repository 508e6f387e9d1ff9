/**
 * A place for objects: a directory, or a bucket. An object appears as a whole or not at all, and never changes. Names
 * have segments divided by `/`.
 */
export interface ArchiveTarget {
  /** The setting that names the place, for messages: `archive.dir`. */
  readonly setting: string;
  /** The full name of an object, for messages. */
  locate(name: string): string;
  /** Stores an object durably, in one step. Storing the same one again changes nothing. */
  put(name: string, bytes: Uint8Array): Promise<void>;
  /** `undefined` if there is no such object; fails if it has more bytes, by default than a note has at most. */
  get(name: string, bytesMax?: number): Promise<Buffer | undefined>;
  /** A part of an object; shorter where the object ends; `undefined` if there is no such object. */
  range(name: string, offset: number, length: number): Promise<Buffer | undefined>;
  /** The objects whose names begin with a prefix that ends with `/`, in the order of their names. */
  list(prefix: string): Promise<readonly TargetObject[]>;
  /** Removes an object; one that is not there does not matter. */
  remove(name: string): Promise<void>;
  /** Removes what an attempt to store left half-way. Called by the one that stores, before it begins. */
  clean(prefix: string): Promise<void>;
}

export interface TargetObject {
  readonly name: string;
  readonly bytes: number;
}

/** Where an archive is, as plain data that crosses threads. */
export type ArchivePlace = { readonly dir: string } | { readonly s3: S3Place };

export interface S3Place {
  readonly endpoint?: string | undefined;
  readonly region: string;
  readonly bucket: string;
  /** Names of objects begin with it; `''`, or a text that ends with `/`. */
  readonly prefix: string;
  readonly credentials?: S3Credentials | undefined;
}

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}
