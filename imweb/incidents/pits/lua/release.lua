-- End leases of one point in time. Returns how many were alive, and the raw id when it must be closed now.
local name, token_epoch, over_ms = ARGV[1], ARGV[2], ARGV[3]

local now = now_ms()
local other_epoch = redis.call('HGET', STATE, 'epoch') ~= token_epoch
local alive = 0
for i = 4, #ARGV, 2 do
  local user, lease = ARGV[i], ARGV[i + 1]
  local ends = redis.call('ZSCORE', leases_of(name), user .. ':' .. lease)
  if ends then
    redis.call('ZREM', leases_of(name), user .. ':' .. lease)
    if tonumber(ends) > now then
      alive = alive + 1
    end
  end
  redis.call('ZREM', leases_by(user), name .. ':' .. lease)
  if other_epoch and redis.call('SET', prefix .. ':over:' .. lease, '1', 'PX', over_ms, 'NX') and not ends then
    -- Not in this life's ledger, so nothing but the token says that it was alive; said once.
    alive = alive + 1
  end
end
local pit = load_pit(name)
if pit and close_if_left(name, pit, now) then
  return {alive, pit.raw}
end
return {alive, ''}
