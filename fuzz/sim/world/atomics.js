import { world } from './world.js';

/**
 * `Atomics` of the simulated process: before each operation another thread may run. A thread that unwinds changes
 * nothing. `wait` parks the actor.
 */
const CHANGES = ['store', 'add', 'sub', 'and', 'or', 'xor', 'exchange', 'compareExchange'];

export function replaceAtomics() {
  /** @type {any} */
  const atomics = Atomics;
  const { load, notify, wait } = atomics;
  for (const name of CHANGES) {
    const change = atomics[name];
    atomics[name] = (words, index, ...values) => {
      const here = world();
      if (here === undefined) return change(words, index, ...values);
      here.point(name, index);
      return here.isMute() ? load(words, index) : change(words, index, ...values);
    };
  }
  atomics.load = (words, index) => {
    world()?.point('load', index);
    return load(words, index);
  };
  atomics.notify = (words, index, count) => {
    const here = world();
    if (here === undefined) return notify(words, index, count);
    here.point('notify', index);
    return here.isMute() ? 0 : here.notify(words, index);
  };
  atomics.wait = (words, index, value, ms) => {
    const here = world();
    if (here === undefined) return wait(words, index, value, ms);
    here.point('wait', index);
    if (load(words, index) !== value) return 'not-equal';
    return here.park(words, index, ms);
  };
}
