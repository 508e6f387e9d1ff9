/**
 * Runs tasks at the end of the event loop's present turn, so that a task that falls due several times in a turn runs
 * once. No timer is involved: `setImmediate` runs after the callbacks that are due now, before the loop waits again.
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

  /** Calls `listener` whenever the tasks of a turn are done. */
  onEnd(listener: () => void): void {
    this.#listeners.push(listener);
  }

  add(task: TurnTask): void {
    if (task.isQueued) return;
    task.isQueued = true;
    if (this.#tasks.push(task) === 1) setImmediate(this.#run);
  }
}
