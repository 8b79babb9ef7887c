-- Hops: A2A messages on their way to an agent. While one is live, the agent's ambient calls belong
-- to its conversation; the first ambient call after it came begins a new turn. The hop itself
-- touches no counter, so one that is taken back (the caller was refused) has changed nothing.
--
-- The hash holds decision id -> "stamp:depth:trace:span"; two sorted sets find the latest and the
-- deepest. The stamp is the time it came in ms, made unique, and greater than the number of the
-- agent's ambient turn at that time. So it is the number of the turn that the hop begins, and
-- "stamp > n" says that it has not begun yet.

local HOP_LIFE = 15 * MINUTE
local MOST_HOPS = 1000
local NO_HOPS = { stamp = 0, depth = 0, trace = '', span = '' }

local function read_hop(value)
  local stamp, depth, trace, span = string.match(value, '^(%d+):(%d+):([^:]*):([^:]*)$')
  return tonumber(stamp), tonumber(depth), trace, span
end

local function is_live(stamp, now)
  return stamp + HOP_LIFE > now
end

-- What has expired is removed with the next hop; until then it is passed over.
local function greatest_depth(keys, now)
  local at = 0
  while true do
    local decision, depth = unpack(redis.call('ZREVRANGE', keys[3], at, at, 'WITHSCORES'))
    if not decision then
      return 0
    elseif is_live(tonumber(redis.call('ZSCORE', keys[2], decision)), now) then
      return tonumber(depth)
    end
    at = at + 1
  end
end

-- The live hops as one: the greatest depth, and the latest one's stamp, trace and span.
-- KEYS: those of the hops.
local function live_hops(keys, now)
  local latest = redis.call('ZREVRANGE', keys[2], 0, 0)[1]
  if not latest then
    return NO_HOPS
  end
  local stamp, _, trace, span = read_hop(redis.call('HGET', keys[1], latest))
  if not is_live(stamp, now) then
    return NO_HOPS
  end
  return { stamp = stamp, depth = greatest_depth(keys, now), trace = trace, span = span }
end

-- The stamp of a message that came for the agent and has begun no turn yet (nil: none). `e` is
-- that of a hop that ended before the agent made a call.
local function entered(turn, hops)
  local stamp = math.max(tonumber(turn.e) or 0, hops.stamp)
  return stamp > (tonumber(turn.n) or 0) and int(stamp) or nil
end

-- Status ('' = no such agent), A2A host and port, policy version, hashes of active credentials.
local function callee_of(keys, now)
  local agent = redis.call('HMGET', keys[1], 'status', 'a2a_host', 'a2a_port')
  local found = { agent[1] or '', agent[2] or '', agent[3] or '0',
    redis.call('HGET', keys[3], 'version') or '0' }
  if not agent[1] then
    return found
  end
  for sha256, value in pairs(hash_of(keys[2])) do
    local expires = tonumber(string.match(value, '^active:(%d+)$'))
    if expires and (expires == 0 or now < expires) then
      found[#found + 1] = sha256
    end
  end
  return found
end

-- KEYS: agent, credentials, policy. ARGV: now_ms. Answer: see callee_of.
local function callee_look(keys, args)
  return callee_of(keys, now_ms(args[1]))
end

-- What is to be removed before one more hop comes.
local function superfluous(keys, now)
  local gone = redis.call('ZRANGEBYSCORE', keys[2], '-inf', int(now - HOP_LIFE))
  if redis.call('ZCARD', keys[2]) - #gone >= MOST_HOPS then
    gone[#gone + 1] = redis.call('ZRANGE', keys[2], #gone, #gone)[1]
  end
  return gone
end

local function forget(keys, decisions)
  if #decisions > 0 then
    redis.call('HDEL', keys[1], unpack(decisions))
    redis.call('ZREM', keys[2], unpack(decisions))
    redis.call('ZREM', keys[3], unpack(decisions))
  end
end

-- KEYS: agent, credentials, policy, turn, three of hops. ARGV: now_ms, decision, depth, trace, span.
-- Answer: see callee_of. A hop that is known already, or to an agent that may not act, is not noted.
local function hop(keys, args)
  local now, decision, hops = now_ms(args[1]), args[2], { unpack(keys, 5, 7) }
  local found = callee_of(keys, now)
  if found[1] ~= 'approved' or redis.call('HEXISTS', hops[1], decision) == 1 then
    return found
  end
  local number = tonumber(redis.call('HGET', keys[4], 'n')) or 0
  local latest = tonumber(redis.call('ZREVRANGE', hops[2], 0, 0, 'WITHSCORES')[2]) or 0
  local gone, stamp = superfluous(hops, now), int(math.max(now, number + 1, latest + 1))
  redis.call('ZCARD', hops[3]) -- all keys are of their type, before the first write
  forget(hops, gone)
  redis.call('HSET', hops[1], decision, table.concat({ stamp, args[3], args[4], args[5] }, ':'))
  redis.call('ZADD', hops[2], stamp, decision)
  redis.call('ZADD', hops[3], args[3], decision)
  for _, key in ipairs(hops) do
    redis.call('PEXPIRE', key, int(HOP_LIFE + stamp - now))
  end
  return found
end

-- KEYS: turn, three of hops. ARGV: decision, '1' if that message reached the agent; and so on.
-- Answer: how many of them were known.
local function hop_end(keys, args)
  local hops, known, begun = { unpack(keys, 2, 4) }, {}, 0
  for at = 1, #args, 2 do
    local value = redis.call('HGET', hops[1], args[at])
    if value then
      known[#known + 1] = args[at]
      begun = args[at + 1] == '1' and math.max(begun, (read_hop(value))) or begun
    end
  end
  local turn = redis.call('HMGET', keys[1], 'n', 'e')
  forget(hops, known)
  if begun > math.max(tonumber(turn[1]) or 0, tonumber(turn[2]) or 0) then
    redis.call('HSET', keys[1], 'e', int(begun))
    redis.call('PEXPIRE', keys[1], int(DAY))
  end
  return #known
end

-- KEYS: three of hops. ARGV: now_ms. Answer: the greatest depth of the live hops.
local function hops_depth(keys, args)
  return int(live_hops(keys, now_ms(args[1])).depth)
end

redis.register_function {
  function_name = 'hops_depth', callback = hops_depth, flags = { 'no-writes' },
}
redis.register_function {
  function_name = 'callee_look', callback = callee_look, flags = { 'no-writes' },
}
redis.register_function('hop', hop)
redis.register_function('hop_end', hop_end)
