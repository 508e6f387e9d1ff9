import { internalsOf } from '../../endpoint/internals.js';
import type { Bus } from '../../main/bus.js';
import type { BusError } from '../../protocol/errors.js';
import { sinkPlaceOf } from '../../protocol/sink-figures.js';
import { CommandFailure } from '../failure.js';
import type { CommandLog } from '../log.js';
import { SinkRunner } from './sink-runner.js';
import type { SinkSection } from './sink-sections.js';

/** All sinks of a server, from the time at which it listens until it stops. */
export class ServerSinks {
  /** Resolves when the server has to stop because of a sink. */
  readonly failed: Promise<void>;
  /** That sink's failure. */
  failure: CommandFailure | undefined;
  readonly #runners: readonly SinkRunner[];
  #fail: () => void = () => {};

  constructor(bus: Bus, sections: readonly SinkSection[], log: CommandLog) {
    this.failed = new Promise((resolve) => {
      this.#fail = resolve;
    });
    const internals = internalsOf(bus);
    const publishSystem = (topic: string, type: string, payload: object): void =>
      internals?.publishSystem(topic, type, payload);
    const place = sinkPlaceOf(bus);
    this.#runners = sections.map((section) => {
      const stop = (error: BusError): void => this.#onFailure(section.name, error);
      const runner = new SinkRunner(section, { bus, log, place, publishSystem, stop });
      place?.add(runner, runner);
      return runner;
    });
  }

  /** Never rejects. */
  async stop(): Promise<void> {
    await Promise.all(this.#runners.map((runner) => runner.stop()));
  }

  #onFailure(name: string, error: BusError): void {
    this.failure ??= new CommandFailure(`stopped, as sink ${name} has failed: ${error.message}`);
    this.#fail();
  }
}
