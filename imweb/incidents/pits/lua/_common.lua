-- What every script of the ledger shares. KEYS[1] is the ledger's prefix; every key below carries the same hash tag.
--   <prefix>:state         hash: epoch, run_id, writes (counter), w:<user> (the user's last write), s:<user> (missed
--                          write already counted), cost:<kind>, ceiling, ceiling_until, opened, joined
--   <prefix>:pits          hash: name -> JSON {state, kind, cost, raw, created, covers, fresh, joinable, touched, until}
--   <prefix>:leases:<pit>  sorted set: "<user>:<lease>" -> when it ends (epoch milliseconds of this server's clock)
--   <prefix>:user:<user>   sorted set: "<pit>:<lease>" -> the same
-- All of the state stands in one key: a server that evicts keys loses all of it or nothing, and a lost epoch is noticed.
local prefix = KEYS[1]
local STATE = prefix .. ':state'
local PITS = prefix .. ':pits'

local function now_ms()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end

local function text(number)
  return string.format('%.0f', number)
end

local function leases_of(pit)
  return prefix .. ':leases:' .. pit
end

local function leases_by(user)
  return prefix .. ':user:' .. user
end

local function load_pit(name)
  local found = redis.call('HGET', PITS, name)
  return found and cjson.decode(found) or nil
end

local function load_pits()
  local flat = redis.call('HGETALL', PITS)
  local pits = {}
  for i = 1, #flat, 2 do
    pits[flat[i]] = cjson.decode(flat[i + 1])
  end
  return pits
end

local function save_pit(name, pit)
  redis.call('HSET', PITS, name, cjson.encode(pit))
end

local function drop_pit(name)
  redis.call('HDEL', PITS, name)
  redis.call('DEL', leases_of(name))
end

local function contexts_of(pits)
  local sum = 0
  for _, pit in pairs(pits) do
    sum = sum + pit.cost
  end
  return sum
end

-- The life of this server: another one may have come back with older data, or with none.
local function run_id()
  local info = redis.pcall('INFO', 'server')
  if type(info) ~= 'string' then
    return 'unknown'
  end
  return string.match(info, 'run_id:(%w+)') or 'unknown'
end

-- The current epoch, or nil when the ledger was emptied or the server restarted: then `begin` must run first.
local function epoch()
  local found = redis.call('HMGET', STATE, 'epoch', 'run_id')
  if not found[1] or found[2] ~= run_id() then
    return nil
  end
  return found[1]
end

local function take(name, user, lease, now, lease_ms)
  local ends = text(now + lease_ms)
  redis.call('ZADD', leases_of(name), ends, user .. ':' .. lease)
  redis.call('ZADD', leases_by(user), ends, name .. ':' .. lease)
  redis.call('PEXPIRE', leases_of(name), text(2 * lease_ms + 60000))
  redis.call('PEXPIRE', leases_by(user), text(2 * lease_ms + 60000))
end

-- Forget what has ended. A point in time without leases becomes "closing": nobody joins it any more, and whoever
-- reads that state may close the raw one. Returns the names that became so now.
local function purge(pits, now)
  local ended = {}
  for name, pit in pairs(pits) do
    if pit.state == 'open' then
      redis.call('ZREMRANGEBYSCORE', leases_of(name), '-inf', text(now))
      if redis.call('ZCARD', leases_of(name)) == 0 then
        pit.state = 'closing'
        save_pit(name, pit)
        ended[#ended + 1] = name
      end
    elseif pit.until_ms and pit.until_ms <= now then
      drop_pit(name)
      pits[name] = nil
    end
  end
  return ended
end

-- Whether the point in time has lost its last lease; it is then "closing" and must be closed by the caller.
local function close_if_left(name, pit, now)
  if pit.state ~= 'open' or redis.call('ZCOUNT', leases_of(name), '(' .. text(now), '+inf') > 0 then
    return false
  end
  pit.state = 'closing'
  save_pit(name, pit)
  return true
end

-- The same arithmetic as slots.py, which explains it.
local function slot_ms(contexts, budget, base_ms, max_ms)
  if contexts >= budget then
    return max_ms
  end
  local used = contexts / budget
  if used <= 0.25 then
    return base_ms
  end
  return math.min(max_ms, base_ms * 2 ^ math.ceil((used - 0.25) / 0.75 * 10 - 1e-9))
end
