-- Raise the write counter after an acknowledged write and remember it as the user's last one.
local user = ARGV[1]

local writes = redis.call('HINCRBY', STATE, 'writes', 1)
if user ~= '' then
  redis.call('HSET', STATE, 'w:' .. user, writes)
end
return writes
