-- The pool is full and somebody needs a newer point in time. Whoever alone holds the most of them (two at least) gives
-- up the one that he used least recently. Returns its name, raw id and holder, or nothing.
local pits = load_pits()
local alone = {}
for name, pit in pairs(pits) do
  if pit.state == 'open' and redis.call('ZCARD', leases_of(name)) <= 20 then
    local members = redis.call('ZRANGE', leases_of(name), 0, -1, 'WITHSCORES')
    local holder, ends
    for i = 1, #members, 2 do
      local user = string.match(members[i], '^(.-):')
      holder = (holder == nil or holder == user) and user or false
      ends = tonumber(members[i + 1])
    end
    if holder then
      alone[holder] = alone[holder] or {count = 0}
      local mine = alone[holder]
      mine.count = mine.count + 1
      if not mine.oldest or ends < mine.ends then
        mine.oldest, mine.ends = name, ends
      end
    end
  end
end
local holder
for user, mine in pairs(alone) do
  if mine.count >= 2 and (not holder or mine.count > alone[holder].count) then
    holder = user
  end
end
if not holder then
  return {}
end
local name = alone[holder].oldest
for _, member in ipairs(redis.call('ZRANGE', leases_of(name), 0, -1)) do
  redis.call('ZREM', leases_by(holder), name .. ':' .. string.sub(member, #holder + 2))
end
redis.call('DEL', leases_of(name))
pits[name].state = 'closing'
save_pit(name, pits[name])
return {name, pits[name].raw, holder}
