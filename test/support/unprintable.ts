import { runInNewContext } from 'node:vm';

/** What somebody's code may throw and nobody can print, by name. */
export const UNPRINTABLE: Readonly<Record<string, () => unknown>> = {
  'an object without a prototype': () => Object.create(null),
  'an object whose toString throws': () => ({
    toString() {
      throw new Error('toString');
    },
  }),
  'a symbol': () => Symbol('s'),
  'a function whose name throws': () =>
    Object.defineProperty(() => {}, Symbol.toPrimitive, {
      get() {
        throw new Error('toPrimitive');
      },
    }),
  'an error whose message is a symbol': () =>
    Object.assign(new Error('x'), { message: Symbol('s') }),
  'an error whose message throws': () =>
    Object.defineProperty(new Error('x'), 'message', {
      get() {
        throw new Error('message');
      },
    }),
  'a proxy whose traps throw': () =>
    new Proxy(new Error('x'), {
      get() {
        throw new Error('get');
      },
    }),
  'a proxy that hides its prototype': () =>
    new Proxy(new Error('x'), {
      getPrototypeOf() {
        throw new Error('getPrototypeOf');
      },
    }),
  'a revoked proxy': () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  },
  'a frozen error without a message': () => Object.freeze(new Error()),
  'an error of another realm': () => runInNewContext('new TypeError("elsewhere")'),
  null: () => null,
  undefined: () => undefined,
};
