-- Generates the requests of a closed-loop run for wrk: wrk … -s requests.lua URL -- get FILE, or post FILE FIRST
-- get: each line of the file has a path, a tab, and a token or nothing. The lines are sent in turn.
-- post: each line has a group, a tab and a token. Each request asks for a different group, type and state.

local lines, made = {}, 0
local first

function init(arguments)
  for line in io.lines(arguments[2]) do
    local target, token = line:match("^([^\t]*)\t(.*)$")
    local authorization = token ~= "" and ("Authorization: Bearer " .. token .. "\r\n") or ""
    if arguments[1] == "get" then
      lines[#lines + 1] = "GET " .. target .. " HTTP/1.1\r\nHost: 127.0.0.1\r\n" .. authorization .. "\r\n"
    else
      lines[#lines + 1] = "POST /api/groups/" .. target .. "/referrals HTTP/1.1\r\nHost: 127.0.0.1\r\n" ..
        authorization .. "Content-Type: application/json\r\nContent-Length: "
    end
  end
  if arguments[1] == "post" then
    first = tonumber(arguments[3])
    request = post
  end
end

function request()
  made = made + 1
  return lines[made % #lines + 1]
end

local types = { "attorney", "lender", "agent", "title", "insurance", "cpa" }
-- Not MN and CA, where the groups already have open requests.
local states = { "AK", "AL", "AR", "AZ", "CO", "CT", "DC", "DE", "FL", "GA", "HI", "IA", "ID", "IL", "IN", "KS", "KY",
  "LA", "MA", "MD", "ME", "MI", "MO", "MS", "MT", "NC", "ND", "NE", "NH", "NJ", "NM", "NV", "NY", "OH", "OK", "OR",
  "PA", "RI", "SC", "SD", "TN", "TX", "UT", "VA", "VT", "WA", "WI", "WV", "WY" }

function post()
  local number = first + made
  made = made + 1
  local cell = math.floor(number / #lines)
  local body = '{"partner_type":"' .. types[cell % 6 + 1] ..
    '","context":{"group_size":3,"home_price_range":{"min":400000,"max":550000},"timeline":"6 months","state":"' ..
    states[math.floor(cell / 6) % 49 + 1] .. '","specific_need":"Somebody who knows co-ownership"}}'
  return lines[number % #lines + 1] .. #body .. "\r\n\r\n" .. body
end

function done(summary)
  local errors = summary.errors
  io.write(string.format('\n{"requests":%d,"microseconds":%d,"refused":%d,"broken":%d}\n', summary.requests,
    summary.duration, errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
