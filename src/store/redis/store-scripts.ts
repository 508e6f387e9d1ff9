import { Script } from './script.js';

/**
 * Finds the store, or makes it. KEYS: the store. ARGV: whether it may be made (1 or 0); the number of shards; the epoch; the
 * dedupe window, ms; by how many segments topics are divided, or 0. Returns the hash, or nothing.
 */
export const OPEN = new Script(`
if redis.call('EXISTS', KEYS[1]) == 0 then
  if ARGV[1] == '0' then return false end
  redis.call('HSET', KEYS[1], 'format', '1', 'shards', ARGV[2], 'epoch', ARGV[3],
    'dedupeWindowMs', ARGV[4], 'shardBy', ARGV[5])
end
return redis.call('HMGET', KEYS[1], 'format', 'shards', 'epoch', 'dedupeWindowMs', 'shardBy', 'filledFrom')
`);

/** Gives a shard its epoch. KEYS: meta. ARGV: the epoch. */
export const BEGIN_SHARD = new Script(`
redis.call('HSET', KEYS[1], 'epoch', ARGV[1])
redis.call('HSETNX', KEYS[1], 'head', '0')
redis.call('HSETNX', KEYS[1], 'at', '0')
redis.call('HSETNX', KEYS[1], 'pruned', '0')
return 1
`);

/** Begins another epoch, unless another node has. KEYS: the store. ARGV: the old one, the new one. Returns the one that holds. */
export const NEW_EPOCH = new Script(`
if redis.call('HGET', KEYS[1], 'epoch') == ARGV[1] then
  redis.call('HSET', KEYS[1], 'epoch', ARGV[2])
end
return redis.call('HGET', KEYS[1], 'epoch')
`);

/**
 * Writes something, so that a \`WAIT\` behind it says which replicas have all events up to a sequence. KEYS: meta, ids. ARGV: the epoch,
 * the sequence, and the identity of that event or nothing. Returns 0 if this Redis has not got the event.
 */
export const PROBE = new Script(`
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'head')
if meta[1] ~= ARGV[1] or tonumber(meta[2]) < tonumber(ARGV[2]) then return 0 end
if ARGV[3] ~= '' then
  local known = redis.call('HGET', KEYS[2], ARGV[3])
  if not known or string.match(known, '^%d+') ~= ARGV[2] then return 0 end
end
redis.call('HINCRBY', KEYS[1], 'probes', 1)
return 1
`);
