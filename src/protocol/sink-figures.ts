/** Figures of a sink that a server runs, as they stand in its metrics. */
export interface SinkFigures {
  readonly name: string;
  /** `webhook`, `audit` … */
  readonly kind: string;
  readonly state: 'starting' | 'running' | 'waiting' | 'stopping' | 'stopped' | 'failed';
  /** Events or rows that it has finished, and attempts that have failed, since the server started. */
  readonly done: number;
  readonly failed: number;
  /** How often it was started again after it had ended with an error. */
  readonly restarts: number;
}
