import type { NatsStoreOptions, RedisStoreOptions } from '../index.js';
import type { LogStore } from '../store/log-store.js';
import { usageFailure } from './failure.js';

/**
 * Where a bus keeps its events, if not in a directory: `nats://USER:PASSWORD@HOST:PORT,HOST:PORT?replicas=3` or
 * `redis://USER:PASSWORD@HOST:PORT/DATABASE?prefix=orders`. What follows the question mark are options of `natsStore` and
 * `redisStore`.
 */
export interface StoreAddress {
  readonly store: LogStore;
  /** For messages, without credentials. */
  readonly place: string;
}

const FORM = /^(nats|tls|redis|rediss):\/\/(?:(.*)@)?([^/?@]+)(?:\/([^?]*))?(?:\?(.*))?$/;
/** Never shows the text, which may have a password in it. */
const NO_ADDRESS =
  'is neither nats://HOST:PORT nor redis://HOST:PORT, with options such as ?prefix=orders&replicas=2';

export interface StoreAddressUse {
  /** The flag whose value it is. Default `--store`. */
  readonly flag?: string;
  /** Options that hold whatever the address says. Default: none. */
  readonly fixed?: Readonly<Record<string, unknown>>;
}

/** Whether a place is an address, and not a directory. */
export function isAddress(text: string): boolean {
  return /^[a-z]+:\/\//i.test(text);
}

/** Loads the store's code. @throws CommandFailure, or BusError `OPTION_INVALID` for an option that the store does not take */
export async function parseStoreAddress(
  text: string,
  { flag = '--store', fixed = {} }: StoreAddressUse = {},
): Promise<StoreAddress> {
  const [, protocol, login, hosts, path = '', query = ''] = FORM.exec(text) ?? [];
  if (protocol === undefined || hosts === undefined) throw usageFailure(`${flag} ${NO_ADDRESS}`);
  const options = { ...optionsOf(query), ...fixed };
  if (protocol === 'redis' || protocol === 'rediss') {
    const url = text.split('?')[0]!;
    const { redisStore } = await import('../index.js');
    const store = redisStore({ url, ...options } as RedisStoreOptions);
    return { store, place: placeOf(protocol, hosts, options) };
  }
  if (path !== '')
    throw usageFailure(
      `${flag}: nothing follows the hosts of a nats:// address but options such as ?prefix=orders`,
    );
  const servers = hosts.split(',');
  const credentials = login === undefined ? {} : { credentials: credentialsOf(login) };
  const tls = protocol === 'tls' ? { tls: {} } : {};
  const { natsStore } = await import('../index.js');
  const store = natsStore({ servers, ...credentials, ...tls, ...options } as NatsStoreOptions);
  return { store, place: placeOf(protocol, hosts, options) };
}

/** Numbers, true and false as such; the store checks names and values. */
function optionsOf(query: string): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const [name, text] of new URLSearchParams(query)) {
    if (/^\d+$/.test(text)) options[name] = Number(text);
    else options[name] = text === 'true' || text === 'false' ? text === 'true' : text;
  }
  const { credsFile, ...others } = options;
  return credsFile === undefined ? options : { ...others, credentials: { credsFile } };
}

/** As in addresses of other NATS clients: a user and a password, or a token alone. */
function credentialsOf(login: string): NonNullable<NatsStoreOptions['credentials']> {
  const [user = '', ...rest] = login.split(':').map(decodeURIComponent);
  return rest.length === 0 ? { token: user } : { user, password: rest.join(':') };
}

function placeOf(protocol: string, hosts: string, { prefix }: Record<string, unknown>): string {
  const named = prefix === undefined ? '' : `, prefix ${prefix}`;
  return `${protocol}://${hosts}${named}`;
}
