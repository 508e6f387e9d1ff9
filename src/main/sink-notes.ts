import type { Handlers } from '../link/calls.js';
import type { SinkFigures, SinkList } from '../protocol/sink-figures.js';
import { mergedSinks, sinkListOf } from '../protocol/sink-list.js';

/** The sinks that each thread noted last, and those of the bus itself. Main thread. */
export class SinkNotes {
  /** By endpoint. */
  readonly #lists = new Map<string, SinkList>();
  readonly #own: () => readonly SinkFigures[];

  /** `own`: the sinks that the bus itself runs. */
  constructor(own: () => readonly SinkFigures[]) {
    this.#own = own;
  }

  /** The calls that main serves to an endpoint. */
  handlersFor(endpoint: string): Pick<Handlers<'main', unknown>, 'noteSinks' | 'notedSinks'> {
    return {
      noteSinks: ({ sinks }) => {
        if (sinks.count === 0) this.#lists.delete(endpoint);
        else this.#lists.set(endpoint, sinks);
        return null;
      },
      notedSinks: () => ({
        sinks: mergedSinks([...this.#lists.values(), sinkListOf(this.#own())]),
      }),
    };
  }

  /** The endpoint has left, or its thread has died: its sinks do not run any more. */
  forget(endpoint: string): void {
    this.#lists.delete(endpoint);
  }
}
