-- Take a lease on a point in time that is shared just now, or get the right to open the next one.
local user, kind, lease = ARGV[1], ARGV[2], ARGV[3]
local lease_ms, base_ms, max_ms = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local budget, user_limit, default_cost = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local missed, as_of_now = tonumber(ARGV[10]), ARGV[11] == '1'
local lock_ms, reserve_ms = tonumber(ARGV[12]), tonumber(ARGV[13])

local current = epoch()
if not current then
  return {'epoch'}
end
local now = now_ms()
local state = redis.call('HMGET', STATE, 'writes', 'w:' .. user, 's:' .. user, 'cost:' .. kind, 'ceiling', 'ceiling_until')
local writes, needed = tonumber(state[1] or 0), tonumber(state[2] or 0)
if missed > tonumber(state[3] or 0) then
  -- A write that was acknowledged while Redis could not be told: it counts as written now, which is never too early.
  writes = redis.call('HINCRBY', STATE, 'writes', 1)
  redis.call('HSET', STATE, 'w:' .. user, writes, 's:' .. user, missed)
  needed = writes
end
if as_of_now then
  needed = writes
end
local cost = tonumber(state[4] or default_cost)
local limit = budget
if state[5] and tonumber(state[6]) > now then
  limit = math.min(budget, tonumber(state[5]))
end

if user_limit > 0 then
  redis.call('ZREMRANGEBYSCORE', leases_by(user), '-inf', text(now))
  if redis.call('ZCARD', leases_by(user)) >= user_limit then
    local oldest = redis.call('ZRANGE', leases_by(user), 0, 0, 'WITHSCORES')
    return {'limit', oldest[1], text(now - (tonumber(oldest[2]) - lease_ms))}
  end
end

local function newest(pits)
  local best, opening
  for name, pit in pairs(pits) do
    if pit.kind == kind then
      if pit.state == 'opening' and pit.lock_until > now then
        opening = true
      elseif pit.state == 'open' and pit.joinable and pit.covers >= needed then
        if not best or pit.fresh > pits[best].fresh then
          best = name
        end
      end
    end
  end
  return best, opening
end

local pits = load_pits()
local best, opening = newest(pits)
local contexts = contexts_of(pits)
local slot = base_ms
if not as_of_now then
  slot = contexts + cost <= limit and slot_ms(contexts, limit, base_ms, max_ms) or max_ms
end
if best and now - pits[best].fresh <= slot then
  take(best, user, lease, now, lease_ms)
  redis.call('HINCRBY', STATE, 'joined', 1)
  local pit = pits[best]
  return {'joined', current, pit.raw, text(pit.created), pit.cost}
end
if opening then
  return {'wait'}
end

local ended = purge(pits, now)
contexts = contexts_of(pits)
if contexts + cost > limit then
  local soonest = now + 60000
  if limit < budget then
    soonest = math.min(soonest, tonumber(state[6]))
  end
  local ending = {}
  for _, name in ipairs(ended) do
    ending[#ending + 1] = name
    ending[#ending + 1] = pits[name].raw
  end
  for name, pit in pairs(pits) do
    local ends = pit.until_ms
    if pit.state == 'open' then
      ends = tonumber(redis.call('ZRANGE', leases_of(name), -1, -1, 'WITHSCORES')[2])
    end
    soonest = math.min(soonest, ends or now + 1000)
  end
  return {'full', text(soonest - now), contexts, limit, cost, ending}
end
local reservation = 'opening-' .. lease
pits[reservation] = nil
save_pit(reservation, {
  state = 'opening', kind = kind, cost = cost, covers = writes, fresh = now,
  lock_until = now + lock_ms, until_ms = now + reserve_ms,
})
return {'open', current, reservation, writes, text(now)}
