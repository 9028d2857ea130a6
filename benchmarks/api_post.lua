-- What each connection of wrk posts: an acceptance of one referral after another, then objections to a group.
-- Arguments: referrals, threads, seconds to wait for the outcome (0: not at all), pause in ms, token, instant.
local threads_made = 0

function setup(thread)
  thread:set("number", threads_made)
  threads_made = threads_made + 1
end

function init(args)
  referrals, threads = tonumber(args[1]), tonumber(args[2])
  wait, pause = args[3], tonumber(args[4])
  token, at = args[5], args[6]
  sent = 0
end

function delay()
  return pause
end

function request()
  local place = sent * threads + number
  sent = sent + 1
  local headers = {
    ["Content-Type"] = "application/json",
    ["Authorization"] = "Bearer " .. token,
    ["Idempotency-Key"] = "load-" .. place,
  }
  if wait ~= "0" then
    headers["Prefer"] = "wait=" .. wait
  end
  local body = '{"type":"GroupObjection","raised_at":"' .. at .. '"}'
  if place < referrals then
    body = '{"type":"ReferralAccepted","accepted_at":"' .. at .. '"}'
  end
  local path = string.format("/v1/referrals/LOAD%06d/records", place % referrals)
  return wrk.format("POST", path, headers, body)
end

function done(summary, latency)
  io.write(string.format(
    "RESULT %d %d %d %d %f %f %f\n",
    summary.requests, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    summary.duration, latency:percentile(50), latency:percentile(99), latency.max
  ))
end
