import { Script } from './script.js';

/**
 * Removes the oldest events beyond any limit, in one bounded step. KEYS: meta, log, topics, emptied. ARGV: the epoch; the most
 * events, the greatest age in ms, and the most bytes, each -1 for any; how many topics without events are kept. Returns 1 if there
 * may be more to remove.
 *
 * Of the topics without events the shard keeps those that had some last: a topic that it has forgotten may have lost events up to
 * `forgotten`, and counts as one that had none.
 *
 * It does not know the next event of a topic that has lost some: the topic's first sequence and time are then those of the
 * stream's first event, which the topic's cannot precede.
 */
export const TRIM = new Script(`
local LOOK, EVENTS, BYTES = 50, 1000, 1048576
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'head', 'pruned', 'bytes')
if meta[1] ~= ARGV[1] then return 0 end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local events, bytes = tonumber(meta[2]) - tonumber(meta[3]), tonumber(meta[4] or '0')
local maxEvents, maxAgeMs, maxBytes = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local through, removed, seen, gone = tonumber(meta[3]), 0, 0, {}
local function isOver(at)
  return maxEvents >= 0 and events > maxEvents or maxBytes >= 0 and bytes > maxBytes
    or maxAgeMs >= 0 and at < now - maxAgeMs
end
local kept, isDone = nil, false
while not isDone and not kept and removed < EVENTS and seen < BYTES do
  local from = string.format('%.0f-0', through + 1)
  local entries = redis.call('XRANGE', KEYS[2], from, '+', 'COUNT', LOOK)
  isDone = #entries == 0
  for _, entry in ipairs(entries) do
    local at, record = tonumber(entry[2][2]), entry[2][4]
    seen = seen + #record
    if not isOver(at) then
      kept = at
      break
    end
    local topic = string.sub(record, 33, 32 + string.byte(record, 7))
    gone[topic] = (gone[topic] or 0) + 1
    through = tonumber(string.match(entry[1], '^(%d+)'))
    removed, events, bytes = removed + 1, events - 1, bytes - #record
  end
end
if removed == 0 then return 0 end
local first = through + 1
local following = redis.call('XRANGE', KEYS[2], string.format('%.0f-0', first), '+', 'COUNT', 1)
redis.call('XTRIM', KEYS[2], 'MINID', '=', string.format('%.0f-0', first))
for name, number in pairs(gone) do
  local row = redis.call('HGET', KEYS[3], name)
  local count, _, _, last, lastAt = struct.unpack('<dddddd', row)
  local firstAt = following[1] and tonumber(following[1][2][2]) or lastAt
  redis.call('HSET', KEYS[3], name, struct.pack('<dddddd',
    count - number, first, firstAt, last, lastAt, math.min(last, through)))
  if count == number then redis.call('ZADD', KEYS[4], last, name) end
end
local surplus = redis.call('ZCARD', KEYS[4]) - tonumber(ARGV[5])
if surplus > 0 then
  local emptied = redis.call('ZPOPMIN', KEYS[4], math.min(surplus, EVENTS))
  local names = {}
  for at = 1, #emptied, 2 do names[#names + 1] = emptied[at] end
  redis.call('HDEL', KEYS[3], unpack(names))
  redis.call('HSET', KEYS[1], 'forgotten', emptied[#emptied])
end
redis.call('HSET', KEYS[1], 'pruned', string.format('%.0f', through), 'bytes', string.format('%.0f', bytes))
if kept or isDone then return 0 end
return 1
`);
