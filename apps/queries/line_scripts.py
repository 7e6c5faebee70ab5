"""What the line does in one step, as Lua inside Redis. Members are ids: ``run|connection`` waits, ``tenant|connection|run|token`` runs.

Times are the server's own. A lease that ends far in the future is shortened, so that a clock that was set back holds no
slot for longer than a lease; one that vanished because the clock was set forward comes back with its next renewal.
"""

START = """
local head, lease = KEYS[1], tonumber(ARGV[1])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function key(name) return head .. name end
local function touch(name) redis.call('PEXPIRE', key(name), 86400000) end

local function live()
  local found = redis.call('ZRANGE', key('running'), 0, -1, 'WITHSCORES')
  local members = {}
  for place = 1, #found, 2 do
    local member, ends = found[place], tonumber(found[place + 1])
    if ends <= now then
      redis.call('ZREM', key('running'), member)
      local tenant, run = string.match(member, '^([^|]*)|[^|]*|([^|]*)|')
      redis.call('SADD', key('lost'), tenant .. '|' .. run)
      touch('lost')
    else
      if ends > now + 2 * lease then redis.call('ZADD', key('running'), now + lease, member) end
      members[#members + 1] = member
    end
  end
  return members
end

local function hold(member)
  redis.call('ZADD', key('running'), now + lease, member)
  touch('running')
end

local function ring()
  redis.call('LPUSH', key('bell'), 1)
  redis.call('LTRIM', key('bell'), 0, 63)
  touch('bell')
end
"""

JOIN = """
local tenant, member, asked, behind, connection, most = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6], ARGV[7]
redis.call('ZADD', key('waiting:' .. tenant), math.min(asked, now) + behind, member)
touch('waiting:' .. tenant)
redis.call('SADD', key('tenants'), tenant)
touch('tenants')
redis.call('HSET', key('limits'), connection, most)
touch('limits')
local hands = redis.call('ZCOUNT', key('hands'), now, '+inf')
if hands > 0 then ring() end
return hands
"""

TAKE = """
local per_tenant, token, process, stays, reserved = tonumber(ARGV[2]), ARGV[3], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local listens, wish = tonumber(ARGV[7]), ARGV[8]
if listens > 0 then
  redis.call('ZREMRANGEBYSCORE', key('hands'), '-inf', now)
  redis.call('ZADD', key('hands'), now + listens, process)
  touch('hands')
end
redis.call('ZREMRANGEBYSCORE', key('slots'), '-inf', now)
redis.call('ZADD', key('slots'), now + stays, process)
touch('slots')
local slots = redis.call('ZCARD', key('slots'))

local of_tenant, of_connection, total = {}, {}, 0
for _, member in ipairs(live()) do
  local tenant, connection = string.match(member, '^([^|]*)|([^|]*)|')
  of_tenant[tenant] = (of_tenant[tenant] or 0) + 1
  of_connection[connection] = (of_connection[connection] or 0) + 1
  total = total + 1
end
local free = slots - total

local candidates = {}
for _, tenant in ipairs(redis.call('SMEMBERS', key('tenants'))) do
  local running = of_tenant[tenant] or 0
  local leaves_room = running == 0 or slots < 3 or free > reserved
  if running < per_tenant and leaves_room then
    local first = redis.call('ZRANGE', key('waiting:' .. tenant), 0, 0, 'WITHSCORES')
    local served = tonumber(redis.call('HGET', key('served'), tenant) or '0')
    candidates[#candidates + 1] = {tenant, running, served, tonumber(first[2] or '0')}
  end
end
table.sort(candidates, function(a, b)
  if a[2] ~= b[2] then return a[2] < b[2] end
  if a[3] ~= b[3] then return a[3] < b[3] end
  if a[4] ~= b[4] then return a[4] < b[4] end
  return a[1] < b[1]
end)

local limits = {}
local function has_room(connection)
  if limits[connection] == nil then
    limits[connection] = tonumber(redis.call('HGET', key('limits'), connection) or '1')
  end
  return (of_connection[connection] or 0) < limits[connection]
end

for _, candidate in ipairs(candidates) do
  local tenant = candidate[1]
  local line = key('waiting:' .. tenant)
  for _, member in ipairs(redis.call('ZRANGE', line, 0, -1)) do
    local run, connection = string.match(member, '^([^|]*)|([^|]*)$')
    if has_room(connection) then
      redis.call('ZREM', line, member)
      if redis.call('ZCARD', line) == 0 then redis.call('SREM', key('tenants'), tenant) end
      redis.call('HSET', key('served'), tenant, redis.call('INCR', key('turn')))
      touch('served')
      touch('turn')
      hold(tenant .. '|' .. connection .. '|' .. run .. '|' .. token)
      return {tenant, connection, run, redis.call('EXISTS', wish .. run)}
    end
  end
end
return false
"""

HOLD = """
hold(ARGV[2])
return redis.call('EXISTS', ARGV[3])
"""

RENEW = """
local member, process, stays = ARGV[2], ARGV[3], tonumber(ARGV[4])
local run = string.match(member, '^[^|]*|[^|]*|([^|]*)|')
for _, other in ipairs(live()) do
  if other ~= member and string.match(other, '^[^|]*|[^|]*|([^|]*)|') == run then return 0 end
end
hold(member)
local tenant = string.match(member, '^([^|]*)|')
redis.call('SREM', key('lost'), tenant .. '|' .. run)
redis.call('ZADD', key('slots'), now + stays, process)
touch('slots')
return 1
"""

LEAVE = """
return redis.call('ZREM', key('running'), ARGV[2])
"""

RETIRE = """
redis.call('ZREM', key('hands'), ARGV[2])
ring()
return 1
"""

RING = """
ring()
return 1
"""

LOST = """
live()
return redis.call('SMEMBERS', key('lost'))
"""

LEASED = """
local found = {}
for _, member in ipairs(live()) do
  found[#found + 1] = string.match(member, '^[^|]*|[^|]*|([^|]*)|')
end
return found
"""

WANTED = """
if redis.call('SCARD', key('tenants')) == 0 then return 0 end
redis.call('ZREMRANGEBYSCORE', key('slots'), '-inf', now)
return math.max(1, redis.call('ZCARD', key('slots')))
"""
