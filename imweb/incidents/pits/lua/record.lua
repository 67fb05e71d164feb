-- Enter a point in time that was just opened in place of its reservation, with its first lease.
local reservation, granted, name, raw = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local created, cost, kind, covers, fresh = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7], tonumber(ARGV[8]), tonumber(ARGV[9])
local user, lease, lease_ms = ARGV[10], ARGV[11], tonumber(ARGV[12])

local now = now_ms()
redis.call('HDEL', PITS, reservation)
local current = redis.call('HGET', STATE, 'epoch')
save_pit(name, {
  state = 'open', kind = kind, cost = cost, raw = raw, created = created, covers = covers, fresh = fresh,
  -- Opened in another life of the ledger: what it covers cannot be compared with counters of this one.
  joinable = current == granted, touched = now,
})
take(name, user, lease, now, lease_ms)
redis.call('HSET', STATE, 'cost:' .. kind, cost)
redis.call('HINCRBY', STATE, 'opened', 1)
return {granted, contexts_of(load_pits())}
