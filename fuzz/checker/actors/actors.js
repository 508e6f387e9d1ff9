import { History } from '../history.js';
import { Asker } from './asker.js';
import { Member } from './member.js';
import { Publisher } from './publisher.js';
import { Reader } from './reader.js';
import { Scheduler } from './scheduler.js';

const ROLES = {
  publisher: Publisher,
  reader: Reader,
  member: Member,
  asker: Asker,
  scheduler: Scheduler,
};

/**
 * The actors of one host: a process, or a thread. They begin at once; in the phase `rest` they begin nothing more, and
 * only what reads and works goes on.
 */
export class Actors {
  #cast;
  #tell;
  #isResting = false;

  /**
   * @param bus the bus of the host: of `openBus`, `attachBus`, `connect`, or `HttpBus`, and `inputOf`, which makes an input for
   *   it of an event's fields and its payload's text
   * @param tell tells the run of what has come: `{ rests }`, `{ busy }`, `{ caughtUp }`
   */
  constructor({ bus, plan, host, folder, tell }) {
    this.#tell = tell;
    this.#cast = plan.actors
      .filter((settings) => settings.host === host)
      .map((settings) => {
        const history = History.of(folder, settings.name);
        const onCaughtUp = (name) => tell({ caughtUp: name });
        const onBusy = () => tell({ busy: settings.name });
        const options = { bus, history, plan, settings, onCaughtUp, onBusy };
        const actor = new ROLES[settings.role](options);
        return { actor, history, settings };
      });
  }

  /** The client has another connection, over which it repeats what had no answer. */
  noteConnected() {
    for (const { history, settings } of this.#cast) {
      if (settings.role === 'publisher') history.write(0, 'state', 'connected');
    }
  }

  run() {
    for (const { actor, history } of this.#cast) {
      actor.run().catch((error) => history.write(0, 'problem', String(error.stack)));
    }
  }

  enter(phase) {
    if (phase === 'end') for (const { history } of this.#cast) history.write(0, 'end');
    if (phase !== 'rest' || this.#isResting) return;
    this.#isResting = true;
    for (const { actor, settings } of this.#cast) {
      actor.rest().then(() => this.#tell({ rests: settings.name }));
    }
  }
}
