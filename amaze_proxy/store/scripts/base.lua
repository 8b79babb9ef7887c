#!lua name=amaze
-- The one library of aMaze in Redis >= 7.0 / Valkey >= 8. The parts are concatenated by library.py.
--
-- Every function reads (and so type-checks) all it needs before its first write, and no function
-- is declared allow-oom or no-writes unless it only reads: on a full or read-only server the call
-- fails as a whole before anything is written.

local SECOND = 1000
local MINUTE = 60 * SECOND
local HOUR = 60 * MINUTE
local DAY = 24 * HOUR
-- In the place of a reservation: the call was recorded as abandoned. Longer than any journal waits.
local ABANDONED = '-'
local ABANDONED_TTL = 90 * DAY
local MEASURES = { 'tokens', 'cost', 'tool_calls', 'agent_calls' }

-- Lua 5.1 prints large doubles as 1e+15; Redis wants digits.
local function int(n)
  return string.format('%d', n)
end

-- Milliseconds of the server's clock; tests pass their own (0: none).
local function now_ms(override)
  local given = tonumber(override)
  if given and given > 0 then
    return given
  end
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end

local function hash_of(key)
  local flat, map = redis.call('HGETALL', key), {}
  for i = 1, #flat, 2 do
    map[flat[i]] = flat[i + 1]
  end
  return map
end

local function has(flags, flag)
  return string.find(flags, flag, 1, true) ~= nil
end

-- Same time whatever differs: every byte is compared, and nothing branches on the result.
local function same_hex(a, b)
  if #a ~= 64 or #b ~= 64 then
    return false
  end
  local x, y = { string.byte(a, 1, 64) }, { string.byte(b, 1, 64) }
  local difference = 0
  for i = 1, 64 do
    local d = x[i] - y[i]
    difference = difference + d * d
  end
  return difference == 0
end

-- none | pending | active. A credential is stored as sha256 -> "state:expires_ms" (0: never).
local function credential_state(key, presented, now)
  local flat, found = redis.call('HGETALL', key), 'none'
  for i = 1, #flat, 2 do
    if same_hex(flat[i], presented) then
      local state, expires = string.match(flat[i + 1], '^(%a+):(%d+)$')
      expires = tonumber(expires)
      if state and (expires == 0 or now < expires) then
        found = state
      end
    end
  end
  return found
end
