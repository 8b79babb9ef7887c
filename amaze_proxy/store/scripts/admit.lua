-- admit: authenticate, compare the policy's version, check all limits and the graph, then reserve.
-- KEYS: agent, credentials, policy, turn, reservation, means, three of hops, open, then one per
-- window limit, in order.
-- ARGV: see calls.py. Answer: outcome, reason, failed limit, retry_after_ms, policy version,
-- session, turn number, step, granted output, position, alerts, depth, trace, span, then what is
-- used per limit.

local function read_admission(args)
  local a = {
    decision = args[1], credential = args[2], version = tonumber(args[3]), flags = args[4],
    now = now_ms(args[5]), open = args[13], limits = {}, candidates = nil,
    charge = {
      input = tonumber(args[6]), output = tonumber(args[7]), mean_key = args[8],
      input_price = tonumber(args[9]), output_price = tonumber(args[10]),
      tool_calls = tonumber(args[11]), agent_calls = tonumber(args[12]),
    },
  }
  local at = 15
  for _ = 1, tonumber(args[14]) do
    a.limits[#a.limits + 1] = {
      name = args[at], measure = args[at + 1],
      maximum = tonumber(args[at + 2]), window = tonumber(args[at + 3]),
    }
    at = at + 4
  end
  local steps = tonumber(args[at])
  if steps >= 0 then
    a.candidates = {}
    for _ = 1, steps do
      a.candidates[#a.candidates + 1] = {
        step = args[at + 1], max_loops = tonumber(args[at + 2]), after = args[at + 3],
      }
      at = at + 3
    end
  end
  return a
end

-- The reason this caller may not ask anything, its session, and whether it is the agent itself.
local function authenticate(keys, a)
  local agent = redis.call('HMGET', keys[1], 'status', 'session_id')
  local state = credential_state(keys[2], a.credential, a.now)
  local status = agent[1]
  if not status or state == 'none' then
    return 'invalid-bearer', '', false
  end
  if state ~= 'active' then
    return 'agent-not-approved', '', false
  end
  local session = agent[2] or ''
  if status == 'quarantined' then
    return 'agent-quarantined', session, true
  end
  if status == 'approved' or (status == 'pending' and has(a.flags, 'd')) then
    return nil, session, true
  end
  return 'agent-not-approved', session, true
end

-- The counters of the turn. An ambient turn is numbered by the time it began: numbers only grow,
-- also over an expiry or an emptied server. It begins with an A2A message (a hop), and with a
-- user's message; but the first of these after a hop is the one that the hop brought, which the
-- field `h` waits for.
local function read_turn(key, a, hops)
  local turn = hash_of(key)
  if not has(a.flags, 'a') then
    return turn
  end
  local said, stamp = has(a.flags, 'u'), entered(turn, hops)
  if stamp then
    return { n = stamp, h = not said and '1' or nil, fresh = true }
  end
  if turn.n and (turn.h or not said) then
    turn.heard = said
    return turn
  end
  return { n = int(math.max((tonumber(turn.n) or 0) + 1, a.now)), fresh = true }
end

-- The same for a call that is refused already: it begins nothing, but a hop has.
local function look_at_turn(key, hops)
  local turn = hash_of(key)
  local stamp = entered(turn, hops)
  return stamp and { n = stamp } or turn
end

local function read_limits(keys, a, turn)
  local at = 11
  for _, limit in ipairs(a.limits) do
    if limit.window > 0 then
      limit.state = window_read(keys[at], limit.window, a.now)
      limit.used = limit.state.total
      at = at + 1
    else
      limit.used = tonumber(turn[limit.measure]) or 0
    end
  end
end

local function mean_of(key, mean_key)
  local stored = redis.call('HGET', key, mean_key)
  local count, total = string.match(stored or '', '^(%d+):(%d+)$')
  return count and math.ceil(tonumber(total) / tonumber(count)) or 0
end

-- The amounts to reserve, the output limit to grant (-1: none), and the amounts without any cut.
local function estimate(keys, a)
  local charge, limits = a.charge, a.limits
  local tokens, money = left_of(limits, 'tokens'), left_of(limits, 'cost')
  local open, lower = charge.output < 0, has(a.flags, 'l')
  local wanted = charge.output
  if open then -- without a mean's key it is no call of a model: it has no output
    wanted = charge.mean_key == '' and 0 or math.max(LEAST_OUTPUT, mean_of(keys[6], charge.mean_key))
  end
  local whole = amounts_of(charge, wanted, limits)
  if wanted == 0 then
    return whole, -1, whole
  end
  local limited = tokens or money
  -- Hard limits cut at the mean would cut half of the answers, and then pull the mean down.
  local output = (lower and open and limited) and HARD_OUTPUT or wanted
  if tokens and (open or lower) then
    output = math.min(output, tokens - charge.input)
  end
  if money and lower then
    output = math.min(output, output_for(charge, money) or output)
  end
  output = math.max(output, 1) -- where nothing is left, the check of the limits fails
  local amounts = amounts_of(charge, output, limits)
  if open and not lower and money and money > 0 and cost_of(charge, 0) <= money then
    amounts.cost = math.min(amounts.cost, money)
  end
  local granted = lower and limited and (open or output < wanted)
  return amounts, granted and output or -1, whole
end

-- The limits that `amounts` do not fit: the first, and the reasons of all.
local function failing(limits, amounts)
  local first, reasons = nil, {}
  for _, limit in ipairs(limits) do
    if limit.used + amounts[limit.measure] > limit.maximum then
      first = first or limit
      reasons[limit.window > 0 and 'rate-limit-exceeded' or 'budget_exceeded'] = true
    end
  end
  return first, reasons
end

local function retry_after(limit, amounts, now)
  local amount = amounts[limit.measure]
  if limit.window == 0 or amount > limit.maximum then
    return 0
  end
  return window_wait(limit.state, limit.used + amount - limit.maximum, now)
end

-- What is written down of a call that may never be settled: input, output and money as reserved,
-- the ambient turn's number, step, session, trace and span of the hop, and what the caller says.
local function note_open(key, a, amounts, answer)
  local input = a.charge.input
  local facts = { int(input), int(amounts.tokens - input), int(amounts.cost), answer[7], answer[8],
    answer[6], answer[13], answer[14], a.open }
  redis.call('HSET', key, a.decision, table.concat(facts, ' '))
end

-- All writes of admit: open calls, turn, windows, reservation.
local function commit(keys, a, turn, amounts, step, answer)
  local kept = { turn = turn.n or '', amounts = amounts, limits = {}, answer = answer }
  if a.open ~= '' then
    note_open(keys[10], a, amounts, answer) -- first: nothing else has read this key
  end
  if turn.fresh then
    redis.call('DEL', keys[4])
  elseif turn.heard then
    redis.call('HDEL', keys[4], 'h')
  end
  local fields = {}
  for _, measure in ipairs(MEASURES) do
    fields[#fields + 1] = measure
    fields[#fields + 1] = int((tonumber(turn[measure]) or 0) + amounts[measure])
  end
  if turn.n then
    fields[#fields + 1] = 'n'
    fields[#fields + 1] = turn.n
  end
  if turn.fresh and turn.h then
    fields[#fields + 1] = 'h'
    fields[#fields + 1] = turn.h
  end
  if step then
    local moves = (tonumber(turn.moves) or 0) + 1
    kept.from, kept.step, kept.moves = turn.step or '', step, moves
    for _, field in ipairs({ 'step', step, 'moves', int(moves), 'r' .. step, int(runs_of(turn, step) + 1) }) do
      fields[#fields + 1] = field
    end
  end
  redis.call('HSET', keys[4], unpack(fields))
  redis.call('PEXPIRE', keys[4], int(DAY))
  for _, limit in ipairs(a.limits) do
    if limit.window > 0 then
      window_add(limit.state, limit.state.current, amounts[limit.measure])
      kept.limits[limit.name] = { limit.measure, int(limit.state.current) }
    end
  end
  redis.call('SET', keys[5], cmsgpack.pack(kept), 'PX', int(HOUR))
end

local function admit(keys, args)
  local a = read_admission(args)
  local reason, session, own = authenticate(keys, a)
  local hops = own and has(a.flags, 'a') and live_hops({ unpack(keys, 7, 9) }, a.now) or NO_HOPS
  local version = tonumber(redis.call('HGET', keys[3], 'version')) or 0
  local function answer(outcome, why, turn, extra)
    extra = extra or {}
    return { outcome, why, extra.failed or '', int(extra.retry or 0), int(version), session,
      turn and turn.n or '', extra.step or '', int(extra.granted or -1),
      turn and turn.step or '', extra.alerts or '', int(hops.depth), hops.trace, hops.span }
  end
  if reason then
    return answer('refused', reason)
  end
  local before = redis.call('GET', keys[5])
  if before == '' or before == ABANDONED then
    return redis.error_reply('SETTLED this decision is settled already')
  elseif before then
    return cmsgpack.unpack(before).answer
  end
  if a.version ~= version then
    return answer('stale', '')
  end
  if has(a.flags, 'c') then
    return answer('admitted', '', look_at_turn(keys[4], hops))
  end
  if version == 0 and not has(a.flags, 'd') then
    return answer('refused', 'policy-not-found')
  end
  local turn = read_turn(keys[4], a, hops)
  read_limits(keys, a, turn)
  local amounts, granted, whole = estimate(keys, a)
  local failed, reasons = failing(a.limits, amounts)
  local shadow = has(a.flags, 's')
  if failed and (shadow or not has(a.flags, 'b')) then
    amounts, granted = whole, -1
  end
  local function used(extra, add)
    for _, limit in ipairs(a.limits) do
      extra[#extra + 1] = int(limit.used + (add and amounts[limit.measure] or 0))
    end
    return extra
  end
  if failed and not shadow and has(a.flags, 'b') then
    local why = failed.window > 0 and 'rate-limit-exceeded' or 'budget_exceeded'
    local retry = retry_after(failed, amounts, a.now)
    return used(answer('refused', why, turn, { failed = failed.name, retry = retry }))
  end
  local step, violation
  if a.candidates then
    step, violation = graph_step(a.candidates, turn)
    if violation and not shadow and has(a.flags, 'v') then
      return used(answer('refused', violation, turn))
    end
  end
  local alerts = {}
  for why in pairs(reasons) do
    alerts[#alerts + 1] = why
  end
  table.sort(alerts)
  alerts[#alerts + 1] = violation
  local extra = { failed = failed and failed.name, step = step, granted = granted,
    alerts = table.concat(alerts, ' ') }
  local admitted = used(answer('admitted', '', turn, extra), true)
  commit(keys, a, turn, amounts, step, admitted)
  return admitted
end

redis.register_function('admit', admit)
