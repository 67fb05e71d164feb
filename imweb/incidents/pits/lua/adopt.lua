-- Enter a point in time that our own tokens prove to be ours, with their leases. It is never joined by anybody new.
local name, raw, created, cost, kind, lease_ms = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6])

local now = now_ms()
local pit = load_pit(name)
if pit and pit.state == 'closing' then
  return 0
end
local taken = 0
for i = 7, #ARGV, 2 do
  if redis.call('EXISTS', prefix .. ':over:' .. ARGV[i + 1]) == 0 then
    take(name, ARGV[i], ARGV[i + 1], now, lease_ms)
    taken = taken + 1
  end
end
if taken > 0 and (not pit or pit.state ~= 'open') then
  save_pit(name, {
    state = 'open', kind = kind, cost = cost, raw = raw, created = created, covers = 0, fresh = 0,
    joinable = false, touched = now,
  })
end
return taken
