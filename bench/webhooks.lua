-- Sends the webhooks of a file once each, in their order. A line is `signature body`.
-- wrk has no HMAC: the file is made beforehand, and read before wrk's clock starts.

local prepared, sent = {}, 0

function init(args)
  wrk.headers["Content-Type"] = "application/json"
  for line in io.lines(args[1]) do
    local space = line:find(" ", 1, true)
    wrk.headers["X-Hub-Signature-256"] = line:sub(1, space - 1)
    prepared[#prepared + 1] = wrk.format("POST", nil, nil, line:sub(space + 1))
  end
end

function request()
  sent = sent + 1
  if sent >= #prepared then
    wrk.thread:stop()
  end
  return prepared[math.min(sent, #prepared)]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"seconds": %f, "answers": %d, "not_2xx": %d, "broken": %d, '
      .. '"p50_ms": %f, "p99_ms": %f}\n',
    summary.duration / 1e6, summary.requests, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
