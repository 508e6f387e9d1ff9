import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { BusError } from '../../protocol/errors.js';
import { quote } from '../../protocol/quote.js';

/** Functions that a module of an app exports, which a section of the config file names. */

type AnyFunction = (...values: never[]) => unknown;

export interface ModuleExports {
  /** The function of this name; `undefined`: there is none. @throws BusError `OPTION_INVALID` if it is something else */
  optional<F extends AnyFunction>(name: string): F | undefined;
  /** @throws BusError `OPTION_INVALID` always */
  refuse(name: string): never;
}

/**
 * @param module its path, from the working directory
 * @param place the section that names it
 * @throws BusError `OPTION_INVALID` if there is none; anything that the module throws
 */
export async function moduleExports(module: string, place: string): Promise<ModuleExports> {
  const file = resolve(module);
  if (!existsSync(file)) {
    throw new BusError('OPTION_INVALID', `${place}.module: there is no file ${file}`);
  }
  const found = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  const refuse = (name: string): never => {
    const which = name === 'default' ? 'its default export' : `its export ${name}`;
    const message = `${place}.module: ${module}: ${which} is ${quote(found[name])}, and should be a function`;
    throw new BusError('OPTION_INVALID', message);
  };
  return {
    optional: <F extends AnyFunction>(name: string) => {
      const value = found[name];
      if (value === undefined || typeof value === 'function') return value as F | undefined;
      return refuse(name);
    },
    refuse,
  };
}
