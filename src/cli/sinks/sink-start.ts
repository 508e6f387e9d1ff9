import type { SinkContext } from '../../sinks/sink-module.js';

/** What a sink of a section is made of: as for an app's own, and the section's module. */
export interface SinkStart extends SinkContext {
  readonly module?: string;
  /** As that of the section. */
  readonly place: string;
}
