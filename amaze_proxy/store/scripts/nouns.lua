-- Atomic changes of agents, credentials, published policies and registered peers.

-- KEYS: agent, credentials. ARGV: sha256 ('' = none), field, value, … Answer: 1, or 0 if it exists.
local function agent_create(keys, args)
  if redis.call('EXISTS', keys[1]) == 1 then
    return 0
  end
  redis.call('DEL', keys[2])
  redis.call('HSET', keys[1], unpack(args, 2))
  if args[1] ~= '' then
    redis.call('HSET', keys[2], args[1], 'active:0')
  end
  return 1
end

-- KEYS: agent. ARGV: field, value, … Answer: 0 if there is no such agent, 1 if it was so already,
-- 2 if something changed.
local function agent_update(keys, args)
  local before = hash_of(keys[1])
  if not next(before) then
    return 0
  end
  local changed = false
  for i = 1, #args, 2 do
    changed = changed or before[args[i]] ~= args[i + 1]
  end
  redis.call('HSET', keys[1], unpack(args))
  return changed and 2 or 1
end

local function prune(key, now)
  for field, value in pairs(hash_of(key)) do
    local expires = tonumber(string.match(value, ':(%d+)$')) or 0
    if expires > 0 and expires <= now then
      redis.call('HDEL', key, field)
    end
  end
end

-- KEYS: agent, credentials. ARGV: sha256, state, expires_ms. Answer: 0 if there is no such agent.
-- An active credential does not become pending by being offered again.
local function credential_add(keys, args)
  if redis.call('EXISTS', keys[1]) == 0 then
    return 0
  end
  local now = now_ms()
  prune(keys[2], now)
  if args[2] == 'pending' and credential_state(keys[2], args[1], now) == 'active' then
    return 1
  end
  redis.call('HSET', keys[2], args[1], args[2] .. ':' .. args[3])
  return 1
end

-- KEYS: agent, credentials. ARGV: new sha256, grace_ms. The present ones end after the grace.
local function credential_rotate(keys, args)
  if redis.call('EXISTS', keys[1]) == 0 then
    return 0
  end
  local now = now_ms()
  local last = now + tonumber(args[2])
  prune(keys[2], now)
  for field, value in pairs(hash_of(keys[2])) do
    local state, expires = string.match(value, '^(%a+):(%d+)$')
    expires = tonumber(expires)
    if state == 'active' and field ~= args[1] and (expires == 0 or expires > last) then
      if last <= now then
        redis.call('HDEL', keys[2], field)
      else
        redis.call('HSET', keys[2], field, 'active:' .. int(last))
      end
    end
  end
  redis.call('HSET', keys[2], args[1], 'active:0')
  return 1
end

-- KEYS: agent, credentials. What a second registration asked for is forgotten: credentials and
-- endpoint together. Answer: how many credentials.
local function pending_drop(keys)
  local dropped = 0
  for field, value in pairs(hash_of(keys[2])) do
    if string.match(value, '^pending:%d+$') then
      dropped = dropped + redis.call('HDEL', keys[2], field)
    end
  end
  for field in pairs(hash_of(keys[1])) do
    if string.match(field, '^pending_') then
      redis.call('HDEL', keys[1], field)
    end
  end
  return dropped
end

-- KEYS: agent, credentials. ARGV: sha256. Answer: none | pending | active.
local function credential_check(keys, args)
  if redis.call('EXISTS', keys[1]) == 0 then
    return 'none'
  end
  return credential_state(keys[2], args[1], now_ms())
end

-- KEYS: policy. ARGV: version, sha256, document. Answer: 1 if this version is now the active one.
local function policy_publish(keys, args)
  local current = redis.call('HMGET', keys[1], 'version', 'sha256')
  local version, active = tonumber(args[1]), tonumber(current[1]) or 0
  if version < active or (version == active and current[2] ~= args[2]) then
    return 0
  end
  redis.call('HSET', keys[1], 'version', int(version), 'sha256', args[2], 'document', args[3])
  return 1
end

-- KEYS: a server's or an LLM host's. ARGV: revision, field, value, … An older revision than the
-- stored one is not taken. Of tools, `pin:<tool>` is the fingerprint that was accepted, all of them
-- new with each revision, and `seen:<tool>` another one that was seen since. Answer: 1 if it was.
local function entry_publish(keys, args)
  local stored = tonumber(redis.call('HGET', keys[1], 'revision')) or 0
  if tonumber(args[1]) < stored then
    return 0
  end
  for _, field in ipairs(redis.call('HKEYS', keys[1])) do
    if string.sub(field, 1, 4) == 'pin:' then
      redis.call('HDEL', keys[1], field)
    end
  end
  redis.call('HSET', keys[1], 'revision', args[1])
  for i = 2, #args, 2 do -- one by one: Lua unpacks some 8,000 values at most
    redis.call('HSET', keys[1], args[i], args[i + 1])
  end
  for i = 2, #args, 2 do
    local tool = string.match(args[i], '^pin:(.*)$')
    if tool and redis.call('HGET', keys[1], 'seen:' .. tool) == args[i + 1] then
      redis.call('HDEL', keys[1], 'seen:' .. tool)
    end
  end
  return 1
end

-- KEYS: a server's or an LLM host's. ARGV: fields. Answer: field, value, … of those that are there.
local function entry_read(keys, args)
  local found = {}
  for i, value in ipairs(redis.call('HMGET', keys[1], unpack(args))) do
    if value then
      found[#found + 1] = args[i]
      found[#found + 1] = value
    end
  end
  return found
end

-- KEYS: a server's. ARGV: 1 (this is how the tools are now) or 0 (somebody was shown them so), tool,
-- fingerprint, … Tools that are pinned always have room. Answer: how many are news.
local function tools_seen(keys, args)
  if redis.call('EXISTS', keys[1]) == 0 then
    return 0
  end
  local news, size = 0, redis.call('HLEN', keys[1])
  for i = 2, #args, 2 do
    local field = 'seen:' .. args[i]
    local pin, seen = unpack(redis.call('HMGET', keys[1], 'pin:' .. args[i], field))
    if pin == args[i + 1] then
      if seen and args[1] == '1' then
        news = news + redis.call('HDEL', keys[1], field)
      end
    elseif seen ~= args[i + 1] and (pin or seen or size < 4000) then
      redis.call('HSET', keys[1], field, args[i + 1])
      news, size = news + 1, size + 1
    end
  end
  return news
end

-- KEYS: agent. ARGV: the addresses that its card names. Answer: 1 if that is news.
local function agent_claim(keys, args)
  if redis.call('EXISTS', keys[1]) == 0 or redis.call('HGET', keys[1], 'card') == args[1] then
    return 0
  end
  redis.call('HSET', keys[1], 'card', args[1])
  return 1
end

redis.register_function('agent_claim', agent_claim)
redis.register_function('agent_create', agent_create)
redis.register_function('agent_update', agent_update)
redis.register_function('credential_add', credential_add)
redis.register_function('credential_rotate', credential_rotate)
redis.register_function('pending_drop', pending_drop)
redis.register_function {
  function_name = 'credential_check', callback = credential_check, flags = { 'no-writes' },
}
redis.register_function('policy_publish', policy_publish)
redis.register_function('entry_publish', entry_publish)
redis.register_function('tools_seen', tools_seen)
redis.register_function {
  function_name = 'entry_read', callback = entry_read, flags = { 'no-writes' },
}
