-- series: what a record adds to the time series of its agent, where the server has RedisTimeSeries.

-- A server that is new to us, restarted or promoted, has no memory of this: it is asked at its
-- first settlement, and again from time to time, because a module may be loaded later.
local SERIES_ASKED_EVERY = MINUTE
local series = { there = false, asked = -SERIES_ASKED_EVERY }

local function has_series(now)
  if now < series.asked or now - series.asked >= SERIES_ASKED_EVERY then
    local found = redis.pcall('COMMAND', 'INFO', 'TS.ADD')
    series.there = type(found) == 'table' and not found.err and type(found[1]) == 'table'
    series.asked = now
  end
  return series.there
end

-- KEYS from `k` on, and for them ARGV from `a` on: retention, minute, agent, then metric and value
-- of each. What is not taken (too old, no memory, no permission) is in the record all the same: a
-- call never fails for it. Uncompressed: adding to a compressed minute writes its chunk anew, which
-- takes ten times as long.
local function series_add(keys, k, args, a, now)
  if #keys < k or not has_series(now) then
    return
  end
  for i = k, #keys do
    local metric, value = args[a + 3 + 2 * (i - k)], args[a + 4 + 2 * (i - k)]
    redis.pcall('TS.ADD', keys[i], args[a + 1], value, 'RETENTION', args[a],
      'ENCODING', 'UNCOMPRESSED', 'ON_DUPLICATE', 'SUM',
      'LABELS', 'agent', args[a + 2], 'metric', metric)
    redis.pcall('PEXPIRE', keys[i], args[a]) -- of an agent that is silent, nothing is kept then
  end
end
