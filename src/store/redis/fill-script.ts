import { Script } from './script.js';

/**
 * Appends events of a copy to a shard's stream, with the times at which they were recorded: all of them, or none where there is no
 * room or the stream has another head than the copy expects.
 *
 * KEYS: meta, log, ids, ids by age, topics.
 * ARGV: the epoch; the head that is expected; the dedupe window, ms; then of each event its time, its identity and its sealed record.
 *
 * Returns `OK`, `FULL` with Redis's error, `EPOCH`, or `HEAD` with the head that there is.
 *
 * The first write is an `XADD`, which Redis refuses when its memory is full. Ids of events that were recorded within the window are
 * remembered from now on; of an id that comes twice, the later event counts.
 */
export const FILL = new Script(`
local CHUNK = 500
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'head', 'at')
if meta[1] ~= ARGV[1] then return {'EPOCH'} end
if meta[2] ~= ARGV[2] then return {'HEAD', meta[2]} end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local head, window, at = tonumber(meta[2]), tonumber(ARGV[3]), tonumber(meta[3])
local count = (#ARGV - 3) / 3

local topics, fields, batch, bytes = {}, {}, {struct.pack('<d', now)}, 0
for place = 1, count do
  local recorded, identity, record = ARGV[1 + 3 * place], ARGV[2 + 3 * place], ARGV[3 + 3 * place]
  local sequence = head + place
  local call = place == 1 and redis.pcall or redis.call
  local added = call('XADD', KEYS[2], string.format('%.0f-0', sequence), 't', recorded, 'e', record)
  if type(added) == 'table' and added.err then
    if not string.match(added.err, '^OOM') and not string.match(added.err, '^MISCONF') then
      return added
    end
    return {'FULL', added.err}
  end
  at = math.max(at, tonumber(recorded))
  bytes = bytes + #record
  local name = string.sub(record, 33, 32 + string.byte(record, 7))
  local topic = topics[name]
  if topic == nil then
    local row = redis.call('HGET', KEYS[5], name)
    topic = {events = 0, first = 0, firstAt = 0, pruned = 0}
    if row then
      topic.events, topic.first, topic.firstAt, topic.last, topic.lastAt, topic.pruned =
        struct.unpack('<dddddd', row)
    end
    topics[name] = topic
  end
  if topic.events == 0 then topic.first, topic.firstAt = sequence, at end
  topic.events, topic.last, topic.lastAt = topic.events + 1, sequence, at
  if now - tonumber(recorded) <= window then
    fields[#fields + 1] = identity
    fields[#fields + 1] = string.format('%.0f %.0f', sequence, now)
    batch[#batch + 1] = identity
  end
end
for from = 1, #fields, 2 * CHUNK do
  redis.call('HSET', KEYS[3], unpack(fields, from, math.min(#fields, from + 2 * CHUNK - 1)))
end
if #batch > 1 then redis.call('RPUSH', KEYS[4], table.concat(batch)) end
for name, topic in pairs(topics) do
  redis.call('HSET', KEYS[5], name, struct.pack('<dddddd',
    topic.events, topic.first, topic.firstAt, topic.last, topic.lastAt, topic.pruned))
end
redis.call('HSET', KEYS[1], 'head', string.format('%.0f', head + count), 'at', string.format('%.0f', at))
redis.call('HINCRBY', KEYS[1], 'bytes', bytes)
return {'OK'}
`);
