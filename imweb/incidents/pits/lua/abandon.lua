-- Give back the right to open. Refused by the cluster: what we hold now is all that we get for a while.
-- Outcome unknown: the contexts stay reserved until OpenSearch has certainly swept what may have been opened.
local reservation, outcome, ceiling_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])

local pit = load_pit(reservation)
if outcome == 'unknown' then
  if pit then
    pit.lock_until = 0
    save_pit(reservation, pit)
  end
  return 0
end
redis.call('HDEL', PITS, reservation)
local contexts = contexts_of(load_pits())
if outcome == 'refused' then
  redis.call('HSET', STATE, 'ceiling', contexts, 'ceiling_until', text(now_ms() + ceiling_ms))
end
return contexts
