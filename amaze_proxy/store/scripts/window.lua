-- Sliding windows: a ring of 60 buckets and a running total in one hash, O(1) amortised.
-- Fields: c = current bucket, t = total of the live buckets, b<n> = bucket n.
-- 61 buckets are live (the current one is not full yet), so a window never counts too little and
-- counts too much by at most one bucket.

local BUCKETS = 60

-- How the window stands at `now`, without writing.
local function window_read(key, window, now)
  local current = math.floor(now * BUCKETS / window)
  local stored = redis.call('HMGET', key, 'c', 't', 'b' .. int(current))
  local last, total = tonumber(stored[1]), tonumber(stored[2]) or 0
  local w = { key = key, window = window, current = current, total = total, dead = {},
    filled = tonumber(stored[3]) or 0, moves = current ~= last }
  if not last then
    return w
  end
  if current < last then -- a clock that goes backwards must not free anything
    w.current, w.filled = last, nil
    return w
  end
  if current - last > BUCKETS then
    w.total, w.expired, w.filled = 0, true, 0
    return w
  end
  for b = last - BUCKETS, current - BUCKETS - 1 do
    w.dead[#w.dead + 1] = 'b' .. int(b)
  end
  if #w.dead > 0 then
    for _, value in ipairs(redis.call('HMGET', key, unpack(w.dead))) do
      w.total = w.total - (tonumber(value) or 0)
    end
  end
  return w
end

local function window_holds(w, bucket)
  return bucket >= w.current - BUCKETS
end

-- Move the window on and add `delta` to `bucket`.
local function window_add(w, bucket, delta)
  if w.expired then
    redis.call('DEL', w.key)
  elseif #w.dead > 0 then
    redis.call('HDEL', w.key, unpack(w.dead))
  end
  local field = 'b' .. int(bucket)
  local before = bucket == w.current and w.filled or tonumber(redis.call('HGET', w.key, field)) or 0
  local after = math.max(0, before + delta)
  w.total = w.total + after - before
  redis.call('HSET', w.key, 'c', int(w.current), 't', int(w.total), field, int(after))
  if w.moves then -- in between, the time to live is still longer than the window
    redis.call('PEXPIRE', w.key, int(2 * w.window))
  end
end

-- KEYS: window. ARGV: its length in ms, now_ms, bucket, amount, … What was used before the store
-- was emptied. Answer: 0 if there is a window, which is left alone.
local function window_restore(keys, args)
  if redis.call('EXISTS', keys[1]) == 1 then
    return 0
  end
  local w = window_read(keys[1], tonumber(args[1]), now_ms(args[2]))
  for i = 3, #args, 2 do
    local bucket = math.min(tonumber(args[i]), w.current) -- another machine's clock may be ahead
    if window_holds(w, bucket) then
      window_add(w, bucket, tonumber(args[i + 1]))
      w.filled = nil
    end
  end
  return 1
end

-- Milliseconds until `need` of what is counted has left the window.
local function window_wait(w, need, now)
  local buckets, freed = hash_of(w.key), 0
  for b = w.current - BUCKETS, w.current do
    freed = freed + (tonumber(buckets['b' .. int(b)]) or 0)
    if freed >= need then
      return math.max(1, math.ceil((b + BUCKETS + 1) * w.window / BUCKETS) - now)
    end
  end
  return 0
end

redis.register_function('window_restore', window_restore)
