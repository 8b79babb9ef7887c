-- The position in a strict graph. `candidates` are the steps this call could be, in the policy's
-- order; `after` holds the positions a step may follow, as ",1,2,-," with "-" for "begins".
-- How often a step ran is counted for the whole turn.

local function runs_of(turn, step)
  return tonumber(turn['r' .. step]) or 0
end

local function has_room(turn, candidate)
  return candidate.max_loops == 0 or runs_of(turn, candidate.step) < candidate.max_loops
end

-- The step to take, or nil with the reason.
local function graph_step(candidates, turn)
  local position = turn.step or '-'
  local used_up = false
  for _, candidate in ipairs(candidates) do
    if candidate.step == position then
      if has_room(turn, candidate) then
        return candidate.step
      end
      used_up = true
    end
  end
  local here = ',' .. position .. ','
  for _, candidate in ipairs(candidates) do
    if candidate.step ~= position and has(candidate.after, here) then
      if has_room(turn, candidate) then
        return candidate.step
      end
      used_up = true
    end
  end
  return nil, used_up and 'edge_loop_exceeded' or 'graph_violation'
end
