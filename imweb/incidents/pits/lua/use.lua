-- Renew a lease by using it: 'ok', 'over' (released, expired or closed), or 'unknown' (written in another epoch).
local name, user, lease, lease_ms, token_epoch = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]

local now = now_ms()
local pit = load_pit(name)
local ends = redis.call('ZSCORE', leases_of(name), user .. ':' .. lease)
if pit and pit.state == 'open' and ends and tonumber(ends) > now then
  take(name, user, lease, now, lease_ms)
  return 'ok'
end
if redis.call('HGET', STATE, 'epoch') == token_epoch then
  return 'over'
end
if pit and pit.state == 'closing' or redis.call('EXISTS', prefix .. ':over:' .. lease) == 1 then
  return 'over'
end
return 'unknown'
