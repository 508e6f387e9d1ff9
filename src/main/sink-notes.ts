import type { SinkFigures } from '../protocol/sink-figures.js';

/** The figures of sinks that were noted last, for the metrics of all gateways. Main thread. */
export class SinkNotes {
  #sinks: readonly SinkFigures[] = [];

  /** The calls that main serves. */
  readonly handlers = {
    noteSinks: ({ sinks }: { readonly sinks: readonly SinkFigures[] }): null => {
      this.#sinks = sinks;
      return null;
    },
    notedSinks: () => ({ sinks: this.#sinks }),
  };
}
