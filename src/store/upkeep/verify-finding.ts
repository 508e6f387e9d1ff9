/** One thing that `verify` says of a directory. */
export interface VerifyFinding {
  /** A `note` is worth knowing and no fault. */
  readonly severity: 'error' | 'note';
  readonly file: string;
  readonly shard?: number;
  readonly sequence?: number;
  readonly message: string;
}
