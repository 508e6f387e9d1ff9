import { BusError } from '../../protocol/errors.js';
import { elapsedMs } from '../../threads/elapsed.js';
import type { RedisLink, RunLimits } from './redis-link.js';
import type { ParsedRedisOptions } from './redis-options.js';

const VERSION_LEAST = 7;
/** How long an ack may name a durability that an operator has taken away, ms. */
const SYNCED_LOOK_MS = 1000;

/** What a Redis's ack is worth: see `OpenStore.durability`. */
export type RedisDurability = 'synced' | 'replicated' | 'written';

/**
 * Refuses a server that cannot keep what the store promises. A server that does not show its configuration is taken as it
 * is.
 * @throws BusError `STORE_FAILED` naming the setting and the cure
 */
export async function examineServer(
  link: RedisLink,
  options: ParsedRedisOptions,
  limits: RunLimits,
): Promise<RedisDurability> {
  const refuse = (setting: string, message: string): never => {
    throw new BusError('STORE_FAILED', `${link.place}: ${message}`, { details: { setting } });
  };
  const info = await infoOf(link, limits);
  const version = info.get('redis_version') ?? '0';
  if (Number.parseInt(version, 10) < VERSION_LEAST) {
    refuse(
      'url',
      `the server is of version ${version}, and has to be of ${VERSION_LEAST}.0 or later`,
    );
  }
  const config = await configOf(link, limits);
  const policy = config.get('maxmemory-policy');
  if (policy?.startsWith('allkeys')) {
    const message = `maxmemory-policy ${policy} would remove events: CONFIG SET maxmemory-policy noeviction`;
    refuse('maxmemory-policy', message);
  }
  if (config.get('appendonly') === 'no' && !options.allowVolatile) {
    const cure = 'CONFIG SET appendonly yes, or open the store with allowVolatile';
    refuse(
      'appendonly',
      `it keeps no file of what it acknowledges, and loses it when it ends: ${cure}`,
    );
  }
  const replicas = Number(info.get('connected_slaves') ?? Number.POSITIVE_INFINITY);
  if (replicas < options.replicas) {
    refuse(
      'replicas',
      `it has ${replicas} replicas, and ${options.replicas} are to have each event`,
    );
  }
  if (options.replicas > 0) return 'replicated';
  return flushesAlways(config) ? 'synced' : 'written';
}

/** The setting by which Redis flushes each write before it answers, also while it rewrites its file. */
function flushesAlways(config: ReadonlyMap<string, string>): boolean {
  return (
    config.get('appendonly') === 'yes' &&
    config.get('appendfsync') === 'always' &&
    config.get('no-appendfsync-on-rewrite') === 'no'
  );
}

/** What the store promises whose shards lie on servers that promise this. */
export function leastOf(durabilities: readonly RedisDurability[]): RedisDurability {
  return durabilities.find((one) => one === 'written') ?? durabilities[0]!;
}

/** Whether a server that was `synced` is so still: it may have been set otherwise, or another one may have taken over. */
export class SyncedWatch {
  readonly #link: RedisLink;
  #generation = -1;
  #lookedAt = 0;
  #isSynced = true;

  constructor(link: RedisLink) {
    this.#link = link;
  }

  /** As it was at most `SYNCED_LOOK_MS` ago on this connection. */
  async isSynced(limits: RunLimits): Promise<boolean> {
    const { generation } = this.#link;
    const isDue = elapsedMs() - this.#lookedAt > SYNCED_LOOK_MS;
    if (!isDue && generation === this.#generation) return this.#isSynced;
    this.#isSynced = flushesAlways(await configOf(this.#link, limits));
    this.#lookedAt = elapsedMs();
    // If it has changed meanwhile, the next one looks again.
    this.#generation = generation;
    return this.#isSynced;
  }
}

async function infoOf(link: RedisLink, limits: RunLimits): Promise<Map<string, string>> {
  const parts = await Promise.all(
    ['server', 'replication'].map((part) => link.command(limits, 'INFO', part)),
  );
  const lines = parts.flatMap((part) => (part as Buffer).toString().split(/\r?\n/));
  return new Map(
    lines.flatMap((line) => {
      const at = line.indexOf(':');
      return at > 0 ? [[line.slice(0, at), line.slice(at + 1)] as const] : [];
    }),
  );
}

/** Hosted servers forbid `CONFIG`, or do not know it: then nothing is known. */
async function configOf(link: RedisLink, limits: RunLimits): Promise<Map<string, string>> {
  const names = ['maxmemory-policy', 'appendonly', 'appendfsync', 'no-appendfsync-on-rewrite'];
  try {
    const reply = (await link.command(limits, 'CONFIG', 'GET', ...names)) as Buffer[];
    const words = reply.map((word) => word.toString());
    return new Map(
      words.flatMap((word, index) => (index % 2 === 0 ? [[word, words[index + 1]!] as const] : [])),
    );
  } catch (error) {
    const { cause } = error as { cause?: unknown };
    if (cause instanceof Error && /^(?:NOPERM|ERR unknown)/i.test(cause.message)) return new Map();
    throw error;
  }
}
