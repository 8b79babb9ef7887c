-- What a call is expected to use, before it is forwarded. Money is in micro-dollars, prices in
-- micro-dollars per million tokens.

local MILLION = 1000000
local LEAST_OUTPUT = 256
-- What hard budgets grant a request that sets no limit, when there is room: every model takes it.
local HARD_OUTPUT = 4096

-- ceil((input * input_price + output * output_price) / 1e6), exact in doubles: whole millions and
-- remainders are multiplied apart, so that no product passes 2^53.
local function cost_of(charge, output)
  local input = charge.input
  local i, o = math.floor(input / MILLION), math.floor(output / MILLION)
  local rest = (input - i * MILLION) * charge.input_price
    + (output - o * MILLION) * charge.output_price
  local whole = math.floor(rest / MILLION)
  local left = rest - whole * MILLION
  if left < 0 then
    whole, left = whole - 1, left + MILLION
  end
  return i * charge.input_price + o * charge.output_price + whole + (left > 0 and 1 or 0)
end

-- The largest output whose cost is within `money` (nil: output is free).
local function output_for(charge, money)
  if charge.output_price == 0 then
    return nil
  end
  local output = math.floor((money * MILLION - charge.input * charge.input_price) / charge.output_price)
  while output > 0 and cost_of(charge, output) > money do
    output = output - 1
  end
  return output
end

-- What is left of the tightest limit of a measure (nil: there is none).
local function left_of(limits, measure)
  local least
  for _, limit in ipairs(limits) do
    if limit.measure == measure then
      local left = limit.maximum - limit.used
      least = least and math.min(least, left) or left
    end
  end
  return least
end

-- A limit of calls is only given for a call of that kind, which is at least one.
local function calls_of(limits, measure, calls)
  return left_of(limits, measure) and math.max(1, calls) or calls
end

local function amounts_of(charge, output, limits)
  return {
    tokens = charge.input + output,
    cost = cost_of(charge, output),
    tool_calls = calls_of(limits, 'tool_calls', charge.tool_calls),
    agent_calls = calls_of(limits, 'agent_calls', charge.agent_calls),
  }
end
