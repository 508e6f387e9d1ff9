/**
 * Work that is put off to the end of the event loop's present turn, so that what falls due within
 * one turn is done once. It waits for no clock: `setImmediate` runs after the callbacks that are
 * due now, and before any further waiting.
 */
export interface TurnTask {
  /** Set by the queue; keeps a task from being queued twice. */
  isQueued: boolean;
  runAtEndOfTurn(): void;
}

export class TurnQueue {
  readonly #listeners: (() => void)[] = [];
  #tasks: TurnTask[] = [];
  readonly #run = (): void => {
    const tasks = this.#tasks;
    this.#tasks = [];
    for (const task of tasks) {
      task.isQueued = false;
      task.runAtEndOfTurn();
    }
    for (const onEnd of this.#listeners) onEnd();
  };

  /** `listener` is called whenever the tasks of a turn are done. */
  onEnd(listener: () => void): void {
    this.#listeners.push(listener);
  }

  add(task: TurnTask): void {
    if (task.isQueued) return;
    task.isQueued = true;
    if (this.#tasks.push(task) === 1) setImmediate(this.#run);
  }
}
