import type { RedisAddress } from '../redis-address.js';
import type { RedisLink } from '../redis-link.js';
import type { Script } from '../script.js';

/**
 * Runs a script that may be run again with the same outcome, until as many replicas as the store was told have what it wrote.
 * @returns its answer
 */
export async function runReplicated(
  link: RedisLink,
  { options: { replicas, waitMs } }: RedisAddress,
  script: Script,
  keys: readonly string[],
  args: readonly (string | number | Buffer)[],
): Promise<unknown> {
  if (replicas === 0) return link.script({}, script, keys, args);
  for (;;) {
    const [answer, count] = await link.run((client) =>
      script.runAndWait(client, keys, args, replicas, waitMs),
    );
    if (count >= replicas) return answer;
  }
}
