-- Note that OpenSearch has renewed the keep-alive of these.
local now = now_ms()
for i = 1, #ARGV do
  local pit = load_pit(ARGV[i])
  if pit then
    pit.touched = now
    save_pit(ARGV[i], pit)
  end
end
return #ARGV
