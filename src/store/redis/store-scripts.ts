import { HAS_EVENT } from './known-event.js';
import { Script } from './script.js';

/**
 * Scripts that begin with their flags run on no replica, also where they write nothing. \`allow-oom\` lets one write though the
 * memory of Redis is full: they write a few bytes, which do not grow in number.
 */
const OF_THE_MASTER = '#!lua flags=allow-oom\n';

/**
 * Finds the store, or makes it. KEYS: the store. ARGV: whether it may be made (1 or 0); the number of shards; the epoch; the
 * dedupe window, ms; by how many segments topics are divided, or 0. Returns all of it but the epoch and
 * whether it was made, or nothing.
 */
export const OPEN = new Script(`
local isMade = redis.call('EXISTS', KEYS[1]) == 0
if isMade then
  if ARGV[1] == '0' then return false end
  redis.call('HSET', KEYS[1], 'format', '1', 'shards', ARGV[2], 'epoch', ARGV[3],
    'dedupeWindowMs', ARGV[4], 'shardBy', ARGV[5])
end
local found = redis.call('HMGET', KEYS[1], 'format', 'shards', 'dedupeWindowMs', 'shardBy', 'filledFrom')
found[6] = isMade and 'made' or false
return found
`);

/**
 * Gives a shard its epoch, unless it has a later one. KEYS: meta. ARGV: the epoch, and how many epochs the store has had before.
 * Returns -1, or that number of a later one. It writes only what changes.
 */
export const BEGIN_SHARD = new Script(`${OF_THE_MASTER}
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'epochs', 'head')
local epochs = tonumber(meta[2] or '0')
if epochs > tonumber(ARGV[2]) then return epochs end
if meta[1] ~= ARGV[1] or (meta[2] or '0') ~= ARGV[2] then
  redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'epochs', ARGV[2])
end
if not meta[3] then redis.call('HSET', KEYS[1], 'head', '0', 'at', '0', 'pruned', '0') end
return -1
`);

/**
 * Begins another epoch, unless another node has. KEYS: the store. ARGV: the old one; the new one; how many there have been at the
 * least. Returns the one that holds, and how many there were before it; nothing where there is no store.
 */
export const NEW_EPOCH = new Script(`${OF_THE_MASTER}
local found = redis.call('HMGET', KEYS[1], 'epoch', 'epochs')
if not found[1] then return false end
if found[1] == ARGV[1] then
  local epochs = math.max(tonumber(found[2] or '0'), tonumber(ARGV[3])) + 1
  redis.call('HSET', KEYS[1], 'epoch', ARGV[2], 'epochs', string.format('%.0f', epochs))
end
return redis.call('HMGET', KEYS[1], 'epoch', 'epochs')
`);

/**
 * Says whether a shard has the history of before: \`OK\`, \`GONE\`, or \`EPOCH\` where it is of another epoch. KEYS: meta, log. ARGV: the
 * epoch; the sequence of an event that is known, and its checksum or nothing.
 */
export const JUDGE = new Script(`${OF_THE_MASTER}${HAS_EVENT}
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'head', 'pruned')
if not meta[1] then return 'GONE' end
if meta[1] ~= ARGV[1] then return 'EPOCH' end
return hasEvent(KEYS[2], meta[2], meta[3], ARGV[2], ARGV[3]) and 'OK' or 'GONE'
`);

/**
 * Writes something, so that a \`WAIT\` behind it says which replicas have all events up to a sequence. KEYS: meta, ids. ARGV: the epoch,
 * the sequence, and the identity of that event or nothing. Returns 0 if this Redis has not got the event.
 */
export const PROBE = new Script(`${OF_THE_MASTER}
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'head')
if meta[1] ~= ARGV[1] or tonumber(meta[2]) < tonumber(ARGV[2]) then return 0 end
if ARGV[3] ~= '' then
  local known = redis.call('HGET', KEYS[2], ARGV[3])
  if not known or string.match(known, '^%d+') ~= ARGV[2] then return 0 end
end
redis.call('HINCRBY', KEYS[1], 'probes', 1)
return 1
`);

/** Lets all nodes show the events up to a sequence, if another node has not done so. KEYS: confirmed. ARGV: the id of the last one. */
export const CONFIRM = new Script(`${OF_THE_MASTER}
local added = redis.pcall('XADD', KEYS[1], 'MAXLEN', '1', ARGV[1], 'c', '1')
if type(added) == 'table' and added.err and not string.find(added.err, 'equal or smaller', 1, true) then
  return added
end
return 1
`);
