-- Begin a new epoch after the server restarted or lost its data. What the ledger still knows is kept but never joined;
-- what OpenSearch lists over our indices is counted until it is certainly gone, and closed only if a token proves it ours.
local fresh_epoch, keep_ms = ARGV[1], tonumber(ARGV[2])

if epoch() then
  return epoch()
end
local now = now_ms()
local pits = load_pits()
for name, pit in pairs(pits) do
  if pit.joinable then
    pit.joinable = false
    save_pit(name, pit)
  end
end
for i = 3, #ARGV, 2 do
  if not pits[ARGV[i]] then
    save_pit(ARGV[i], {state = 'found', kind = '', cost = tonumber(ARGV[i + 1]), until_ms = now + keep_ms})
  end
end
redis.call('HSET', STATE, 'epoch', fresh_epoch, 'run_id', run_id())
return fresh_epoch
