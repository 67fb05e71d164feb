-- Let a lease end after a while unless it is used again; never lengthens it.
local name, user, lease, for_ms = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

local ends = redis.call('ZSCORE', leases_of(name), user .. ':' .. lease)
if not ends then
  return 0
end
local sooner = text(math.min(tonumber(ends), now_ms() + for_ms))
redis.call('ZADD', leases_of(name), 'XX', sooner, user .. ':' .. lease)
redis.call('ZADD', leases_by(user), 'XX', sooner, name .. ':' .. lease)
return 1
