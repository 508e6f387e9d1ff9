/** Unwinds the stack of a thread that has died. Nothing that the dead thread does on the way has an effect. */
export class SimulatedDeath extends Error {
  constructor(name) {
    super(`${name} is dead`);
    this.name = 'SimulatedDeath';
  }
}

/** Unwinds the stack of a thread that parks, up to the scheduler, which goes on with it once it is woken. */
export class Parked extends Error {
  constructor() {
    const { stackTraceLimit } = Error;
    // Threads park often, and nobody looks at where.
    Error.stackTraceLimit = 0;
    super('parked');
    Error.stackTraceLimit = stackTraceLimit;
    this.name = 'Parked';
  }
}
