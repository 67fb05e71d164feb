-- Mark one point in time for closing, whoever holds it. Returns its raw id, or nothing when it is not in the ledger.
local name = ARGV[1]

local pit = load_pit(name)
if not pit or (pit.state ~= 'open' and pit.state ~= 'closing') then
  return false
end
for _, member in ipairs(redis.call('ZRANGE', leases_of(name), 0, -1)) do
  local user, lease = string.match(member, '^(.-):(.*)$')
  redis.call('ZREM', leases_by(user), name .. ':' .. lease)
end
redis.call('DEL', leases_of(name))
pit.state = 'closing'
save_pit(name, pit)
return pit.raw
