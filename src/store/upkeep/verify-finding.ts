/** One finding of `verify` in a directory. */
export interface VerifyFinding {
  /** A `note` is worth knowing, but not a fault. */
  readonly severity: 'error' | 'note';
  readonly file: string;
  readonly shard?: number;
  readonly sequence?: number;
  readonly message: string;
}
