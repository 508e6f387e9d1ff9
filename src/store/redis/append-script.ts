import { HAS_EVENT } from './known-event.js';
import { Script } from './script.js';

/**
 * Appends a batch to a shard's stream: all events that are new and meet their terms, or none where there is no room.
 *
 * KEYS: meta, log, ids, ids by age, topics, the key of this log's last batch, and the topics without events.
 * ARGV: the epoch; the number of the batch, which grows with each of this log; the last moment for it by Redis's clock, ms; the
 * dedupe window, ms; the terms as JSON, `[place, expected or -1, group or -1]` of each event that has some; the sequence of the
 * last event that the log knows, and its checksum or nothing; then the events in one piece: see `PackedBatch`.
 *
 * Returns `OK`, `FULL`, `EPOCH`, `BACK` where the shard has lost what the log knows, or `LATE`; Redis's time, ms; and of `OK` and `FULL`, by place: the sequence, negative for a
 * repeat, 0 for none; and a list of refusals: place, kind, the event's place in its group from 0, and the sequence found. `FULL`
 * has Redis's error besides.
 *
 * Judging reads alone. The first write is an `XADD`, which Redis refuses when its memory is full; once a script has written, it
 * refuses nothing more of it.
 */
export const APPEND = new Script(`${HAS_EVENT}
local CHUNK = 500
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'head', 'at', 'pruned', 'forgotten')
if meta[1] ~= ARGV[1] then return {'EPOCH', now} end
if not hasEvent(KEYS[2], meta[2], meta[4], ARGV[6], ARGV[7]) then return {'BACK', now} end
if now > tonumber(ARGV[3]) then return {'LATE', now} end
local head, window = tonumber(meta[2]), tonumber(ARGV[4])
local at = math.max(tonumber(meta[3]), now)
local count, identities, records = 0, {}, {}
local packed, from = ARGV[8], 1
while from <= #packed do
  local length = struct.unpack('<I4', packed, from + 16)
  count = count + 1
  identities[count] = string.sub(packed, from, from + 15)
  records[count] = string.sub(packed, from + 20, from + 19 + length)
  from = from + 20 + length
end

-- The sequence of an id, which has the time since when it is known; false if that is longer ago than the window.
local function remembered(value)
  if not value then return false end
  local sequence, since = string.match(value, '^(%d+) (%d+)$')
  return now - tonumber(since) <= window and tonumber(sequence)
end

-- What is stored already. What this very batch has stored, when it was sent before, counts as new.
local known = {}
for from = 1, count, CHUNK do
  local wanted = {}
  for place = from, math.min(count, from + CHUNK - 1) do wanted[#wanted + 1] = identities[place] end
  local found = redis.call('HMGET', KEYS[3], unpack(wanted))
  for i = 1, #wanted do known[from + i - 1] = remembered(found[i]) end
end
local firstOwn, lastOwn = 1, 0
local before = redis.call('GET', KEYS[6])
if before then
  local number, first, last = string.match(before, '^(%d+):(%d+):(%d+)$')
  if number == ARGV[2] then firstOwn, lastOwn = tonumber(first), tonumber(last) end
end

local topics = {}
local function topicOf(place)
  local bytes = records[place]
  local name = string.sub(bytes, 33, 32 + string.byte(bytes, 7))
  local topic = topics[name]
  if topic == nil then
    local row = redis.call('HGET', KEYS[5], name)
    topic = {name = name, events = 0, first = 0, firstAt = 0, last = 0, lastAt = 0,
      pruned = tonumber(meta[5] or '0')}
    if row then
      topic.events, topic.first, topic.firstAt, topic.last, topic.lastAt, topic.pruned =
        struct.unpack('<dddddd', row)
      topic.isEmptied = topic.events == 0
    end
    topics[name] = topic
  end
  return topic
end

local sequences, refusals, plan, fresh = {}, {}, {}, {}
-- The sequence that an event repeats, of the store or of this batch.
local function storedAs(place) return known[place] or fresh[identities[place]] or 0 end
local function refuse(place, kind, inGroup, found)
  refusals[#refusals + 1] = place - 1
  refusals[#refusals + 1] = kind
  refusals[#refusals + 1] = inGroup
  refusals[#refusals + 1] = found
  sequences[place] = 0
end
local function accept(place)
  local topic = topicOf(place)
  plan[#plan + 1] = place
  local sequence = head + #plan
  sequences[place] = sequence
  fresh[identities[place]] = sequence
  if topic.events == 0 then topic.first, topic.firstAt = sequence, at end
  topic.events, topic.last, topic.lastAt, topic.isChanged = topic.events + 1, sequence, at, true
end
local function repeated(place, sequence)
  local isOwn = sequence >= firstOwn and sequence <= lastOwn
  sequences[place] = isOwn and sequence or -sequence
end

local expected, group = {}, {}
if ARGV[5] ~= '' then
  for _, term in ipairs(cjson.decode(ARGV[5])) do
    if term[2] >= 0 then expected[term[1] + 1] = term[2] end
    if term[3] >= 0 then group[term[1] + 1] = term[3] end
  end
end

-- The sequence that the whole group repeats, 0 if it is new; nothing if a part of it is stored apart.
local function repeatOfGroup(from, to)
  local first = storedAs(from)
  for place = from + 1, to do
    local sequence = storedAs(place)
    if first == 0 and sequence > 0 then return nil, place, sequence end
    if first > 0 and sequence == 0 then return nil, place - 1, storedAs(place - 1) end
    if first > 0 and sequence ~= first + place - from then return nil, place, sequence end
  end
  return first
end
local function judgeGroup(from, to)
  local first, apart, found = repeatOfGroup(from, to)
  if first == nil then
    refuse(from, 'APART', apart - from, found)
    for place = from + 1, to do sequences[place] = 0 end
    return
  end
  if first > 0 then
    for place = from, to do repeated(place, first + place - from) end
    return
  end
  for place = from, to do
    local last = expected[place] and topicOf(place).last
    if last and last ~= expected[place] then
      refuse(from, 'UNEXPECTED', place - from, last)
      for other = from + 1, to do sequences[other] = 0 end
      return
    end
  end
  for place = from, to do accept(place) end
end

local function judgeOne(place)
  local sequence = storedAs(place)
  if sequence > 0 then
    repeated(place, sequence)
  elseif expected[place] and topicOf(place).last ~= expected[place] then
    refuse(place, 'UNEXPECTED', 0, topicOf(place).last)
  else
    accept(place)
  end
end
-- Groups, and events that stand alone, in their order.
local function each(ofGroup, ofOne)
  local place = 1
  while place <= count do
    local to = place
    while group[place] and group[to + 1] == group[place] do to = to + 1 end
    if group[place] then ofGroup(place, to) else ofOne(place) end
    place = to + 1
  end
end
each(judgeGroup, judgeOne)

local atText = string.format('%.0f', at)
local function add(call, index)
  local id = string.format('%.0f-0', head + index)
  return call('XADD', KEYS[2], id, 't', atText, 'e', records[plan[index]])
end
if #plan > 0 then
  local added = add(redis.pcall, 1)
  if type(added) == 'table' and added.err then
    if not string.match(added.err, '^OOM') and not string.match(added.err, '^MISCONF') then
      return added
    end
    -- Nothing of this batch is stored: what repeats it is not there either.
    fresh = {}
    each(function(from, to)
      local first = repeatOfGroup(from, to)
      for place = from, to do
        sequences[place] = 0
        if first and first > 0 then repeated(place, first + place - from) end
      end
    end, function(place)
      sequences[place] = 0
      if known[place] then repeated(place, known[place]) end
    end)
    return {'FULL', now, sequences, {}, added.err}
  end
  for index = 2, #plan do add(redis.call, index) end
  local batch, bytes, nowText = {struct.pack('<d', now)}, 0, string.format(' %.0f', now)
  for from = 1, #plan, CHUNK do
    local fields = {}
    for index = from, math.min(#plan, from + CHUNK - 1) do
      local place = plan[index]
      fields[#fields + 1] = identities[place]
      fields[#fields + 1] = string.format('%.0f', head + index) .. nowText
      batch[#batch + 1] = identities[place]
      bytes = bytes + #records[place]
    end
    redis.call('HSET', KEYS[3], unpack(fields))
  end
  redis.call('RPUSH', KEYS[4], table.concat(batch))
  for name, topic in pairs(topics) do
    if topic.isChanged then
      redis.call('HSET', KEYS[5], name, struct.pack('<dddddd',
        topic.events, topic.first, topic.firstAt, topic.last, topic.lastAt, topic.pruned))
      if topic.isEmptied then redis.call('ZREM', KEYS[7], name) end
    end
  end
  local first, last = string.format('%.0f', head + 1), string.format('%.0f', head + #plan)
  redis.call('HSET', KEYS[1], 'head', last, 'at', atText)
  redis.call('HINCRBY', KEYS[1], 'bytes', bytes)
  redis.call('SET', KEYS[6], ARGV[2] .. ':' .. first .. ':' .. last, 'PX', ARGV[4])
end

-- Forgets the ids of a few batches that are older than the window, but for those that were stored anew since.
for _ = 1, 4 do
  local oldest = redis.call('LINDEX', KEYS[4], 0)
  if not oldest or struct.unpack('<d', oldest) >= now - window then break end
  local since = string.format(' %.0f', struct.unpack('<d', oldest))
  for from = 9, #oldest, 16 * CHUNK do
    local ids, gone = {}, {}
    for byte = from, math.min(#oldest, from + 16 * CHUNK - 1), 16 do
      ids[#ids + 1] = string.sub(oldest, byte, byte + 15)
    end
    local found = redis.call('HMGET', KEYS[3], unpack(ids))
    for i = 1, #ids do
      if found[i] and string.sub(found[i], -#since) == since then gone[#gone + 1] = ids[i] end
    end
    if #gone > 0 then redis.call('HDEL', KEYS[3], unpack(gone)) end
  end
  redis.call('LPOP', KEYS[4])
end
return {'OK', now, sequences, refusals}
`);
