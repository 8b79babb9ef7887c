-- settle: append the sealed record to its writer's chain, then put the real usage in the place of
-- the reservation. A record is taken once, in order: the chain makes a replay harmless for ever.
-- KEYS: audit, chain, turn, reservation, means, open, then one per window limit, in order, then one per
-- time series that the record adds to.
-- ARGV: see calls.py. Answer: ok | duplicate | gap | abandoned, and the last sequence number of the
-- writer. An abandoned call has its one record: this one is not taken, whenever it comes.

-- A marker stays for late repeats of the admission, longer than any caller waits.
local MARKER_TTL = MINUTE

-- The running mean keeps a count of at most this, so that it follows a change.
local MEAN_SPAN = 64

local function read_settlement(keys, args)
  local s = {
    decision = args[1], writer = args[2], seq = tonumber(args[3]), hash = args[4], record = args[5], flags = args[6],
    tokens = tonumber(args[7]), output = tonumber(args[8]), cost = tonumber(args[9]),
    mean_key = args[10], now = now_ms(args[11]), windows = {},
  }
  for i = 1, tonumber(args[12]) do
    local name, window = args[11 + 2 * i], tonumber(args[12 + 2 * i])
    s.windows[name] = window_read(keys[6 + i], window, s.now)
  end
  return s
end

local function next_mean(stored, output)
  local count, total = string.match(stored or '', '^(%d+):(%d+)$')
  count, total = tonumber(count) or 0, tonumber(total) or 0
  if count >= MEAN_SPAN then
    count, total = count / 2, math.floor(total / 2)
  end
  return int(count + 1) .. ':' .. int(total + output)
end

-- What to add to each measure so that what was reserved becomes what was used.
local function differences(s, amounts)
  if not has(s.flags, 'c') then
    return { tokens = -amounts.tokens, cost = -amounts.cost,
      tool_calls = -amounts.tool_calls, agent_calls = -amounts.agent_calls }
  end
  return { tokens = s.tokens - amounts.tokens, cost = s.cost - amounts.cost,
    tool_calls = 0, agent_calls = 0 }
end

local function settle_turn(key, s, kept, turn, delta)
  if (turn.n or '') ~= kept.turn or not next(turn) then
    return -- a later ambient turn, or expired: those counters are not ours
  end
  local fields = {}
  for _, measure in ipairs(MEASURES) do
    fields[#fields + 1] = measure
    fields[#fields + 1] = int(math.max(0, (tonumber(turn[measure]) or 0) + delta[measure]))
  end
  local unspent = not (has(s.flags, 'c') and has(s.flags, 'b'))
  local back = unspent and kept.step and tonumber(turn.moves) == kept.moves
  if back then
    for _, field in ipairs({ 'moves', int(kept.moves - 1), 'step', kept.from,
      'r' .. kept.step, int(math.max(0, runs_of(turn, kept.step) - 1)) }) do
      fields[#fields + 1] = field
    end
  end
  redis.call('HSET', key, unpack(fields))
  if back and kept.from == '' then
    redis.call('HDEL', key, 'step')
  end
end

local function settle_windows(s, kept, delta)
  for name, reserved in pairs(kept.limits) do
    local window, change = s.windows[name], delta[reserved[1]]
    local bucket = tonumber(reserved[2])
    if window and change ~= 0 then
      if window_holds(window, bucket) then
        window_add(window, bucket, change)
      elseif change > 0 then
        window_add(window, window.current, change) -- overspend is charged now
      end
    end
  end
end

local function settle(keys, args)
  local s = read_settlement(keys, args)
  local link = redis.call('HGET', keys[2], s.writer)
  local last = tonumber(string.match(link or '0', '^(%d+)'))
  local stored = redis.call('GET', keys[4])
  if stored == ABANDONED then
    return { 'abandoned', int(last) }
  elseif s.seq <= last then
    return { 'duplicate', int(last) }
  elseif s.seq > last + 1 and not has(s.flags, 'r') then
    return { 'gap', int(last) }
  end
  local turn = hash_of(keys[3])
  local kept = stored and stored ~= '' and cmsgpack.unpack(stored)
  local learns = has(s.flags, 'c') and s.mean_key ~= '' and s.output > 0
  local mean = learns and next_mean(redis.call('HGET', keys[5], s.mean_key), s.output)

  redis.call('HDEL', keys[6], s.decision) -- first: nothing else has read this key
  redis.call('XADD', keys[1], '*', 'r', s.record)
  redis.call('HSET', keys[2], s.writer, int(s.seq) .. ':' .. s.hash)
  if kept then
    local delta = differences(s, kept.amounts)
    settle_turn(keys[3], s, kept, turn, delta)
    settle_windows(s, kept, delta)
    redis.call('SET', keys[4], '', 'PX', int(MARKER_TTL))
  end
  if mean then
    redis.call('HSET', keys[5], s.mean_key, mean)
  end
  local windows = tonumber(args[12])
  series_add(keys, 7 + windows, args, 13 + 2 * windows, s.now)
  return { 'ok', int(s.seq) }
end

-- KEYS: audit, chain, reservation, open, then one per time series. ARGV: decision, writer, sequence
-- number, hash and record ('': it has one, only the entry goes), then as for series_add.
-- What was reserved stays charged. Answer: 0 if there was no such entry: it is settled by now.
local function abandon(keys, args)
  if redis.call('HEXISTS', keys[4], args[1]) == 0 then
    return 0
  end
  if args[5] ~= '' then
    redis.call('HLEN', keys[2]) -- all keys are of their type, before the first write
    redis.call('XLEN', keys[1])
    redis.call('XADD', keys[1], '*', 'r', args[5])
    redis.call('HSET', keys[2], args[2], args[3] .. ':' .. args[4])
    redis.call('SET', keys[3], ABANDONED, 'PX', int(ABANDONED_TTL))
    series_add(keys, 5, args, 6, now_ms())
  end
  redis.call('HDEL', keys[4], args[1])
  return 1
end

redis.register_function('settle', settle)
redis.register_function('abandon', abandon)
