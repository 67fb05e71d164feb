-- The whole ledger, for the sweep ('1': what has ended becomes "closing" first) and for the system page.
local now = now_ms()
local current = epoch()
if not current then
  return {'epoch'}
end
local pits = load_pits()
if ARGV[1] == '1' then
  purge(pits, now)
end
local rows = {}
for name, pit in pairs(pits) do
  local users, seen, leases, last, holders = 0, {}, 0, 0, {}
  local members = redis.call('ZRANGEBYSCORE', leases_of(name), '(' .. text(now), '+inf', 'WITHSCORES')
  for i = 1, #members, 2 do
    local user = string.match(members[i], '^(.-):')
    leases = leases + 1
    last = math.max(last, tonumber(members[i + 1]))
    if not seen[user] then
      seen[user] = 0
      users = users + 1
    end
    seen[user] = seen[user] + 1
  end
  for user, held in pairs(seen) do
    holders[#holders + 1] = user .. ':' .. held
  end
  rows[#rows + 1] = cjson.encode({
    name = name, state = pit.state, kind = pit.kind, cost = pit.cost, raw = pit.raw, created = pit.created,
    fresh = pit.fresh, joinable = pit.joinable or false, touched = pit.touched,
    leases = leases, users = users, ends = last, holders = table.concat(holders, ' '),
  })
end
local state = redis.call('HMGET', STATE, 'writes', 'opened', 'joined', 'ceiling', 'ceiling_until')
local ceiling = ''
if state[4] and tonumber(state[5]) > now then
  ceiling = state[4]
end
return {'ok', current, text(now), state[1] or '0', state[2] or '0', state[3] or '0', ceiling, rows}
