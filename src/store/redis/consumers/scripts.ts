import { Script } from '../script.js';

/**
 * Takes a journal over. KEYS: the journal's state, the shard's meta. ARGV: the new owner, the epoch. The owner's changes are numbered,
 * from 1 on. Returns 1, or -2 if the shard has another epoch.
 */
export const TAKE = new Script(`
if redis.call('HGET', KEYS[2], 'epoch') ~= ARGV[2] then return -2 end
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'number', '0')
return 1
`);

/**
 * Adds an entry. KEYS: the journal's state, the shard's meta, the journal. ARGV: the owner, the epoch, the number of the change, the
 * entry. Returns 1 if the entry is there, also if it was before; 0 if another node owns the journal; -1 if changes before it are
 * missing; -2 if the shard has another epoch: the consumers' events may be others by now.
 */
export const APPEND = new Script(`
if redis.call('HGET', KEYS[2], 'epoch') ~= ARGV[2] then return -2 end
local state = redis.call('HMGET', KEYS[1], 'owner', 'number')
if state[1] ~= ARGV[1] then return 0 end
if state[2] == ARGV[3] then return 1 end
if tonumber(state[2]) ~= tonumber(ARGV[3]) - 1 then return -1 end
redis.call('RPUSH', KEYS[3], ARGV[4])
redis.call('HSET', KEYS[1], 'number', ARGV[3])
return 1
`);

/**
 * Adds an entry to the snapshot that is to take the journal's place. KEYS: the journal's state, the snapshot. ARGV: the owner, the place
 * of the entry in the snapshot, the entry. The first one begins another snapshot. Returns as APPEND.
 */
export const ADD_TO_SNAPSHOT = new Script(`
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then redis.call('DEL', KEYS[2]) end
local length = redis.call('LLEN', KEYS[2])
if length == tonumber(ARGV[2]) + 1 then return 1 end
if length ~= tonumber(ARGV[2]) then return -1 end
redis.call('RPUSH', KEYS[2], ARGV[3])
return 1
`);

/**
 * Puts the snapshot in the journal's place. KEYS: the journal's state, the shard's meta, the journal, the snapshot. ARGV: the owner, the
 * epoch, the number of the change, how many entries the snapshot has. Returns as APPEND.
 */
export const COMPACT = new Script(`
if redis.call('HGET', KEYS[2], 'epoch') ~= ARGV[2] then return -2 end
local state = redis.call('HMGET', KEYS[1], 'owner', 'number')
if state[1] ~= ARGV[1] then return 0 end
if state[2] == ARGV[3] then return 1 end
if ARGV[4] == '0' then
  redis.call('DEL', KEYS[3])
else
  if redis.call('LLEN', KEYS[4]) ~= tonumber(ARGV[4]) then return -1 end
  redis.call('RENAME', KEYS[4], KEYS[3])
end
redis.call('HSET', KEYS[1], 'number', ARGV[3])
return 1
`);

/**
 * Replaces a text. KEYS: the text. ARGV: the version that it replaces, the text. Returns 1 if it is replaced, also if it was before.
 */
export const REPLACE = new Script(`
local kept = redis.call('HMGET', KEYS[1], 'version', 'text')
local version = tonumber(kept[1] or '0')
if version == tonumber(ARGV[1]) + 1 and kept[2] == ARGV[2] then return 1 end
if version ~= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'version', version + 1, 'text', ARGV[2])
return 1
`);
