-- Forget points in time whose raw ones are closed; one that is not "closing" any more stays.
for i = 1, #ARGV do
  local pit = load_pit(ARGV[i])
  if pit and pit.state == 'closing' then
    drop_pit(ARGV[i])
  end
end
return #ARGV
