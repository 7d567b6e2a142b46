-- Requests with the cookies of a file, one after the other, so that no session is asked for twice at once.
-- Arguments: the file, the path, the path that inserts something, and how many of a hundred requests take that one.

local plain, inserting, share = {}, {}, 0
local next = 0

function init(args)
   share = tonumber(args[4])
   for cookie in io.lines(args[1]) do
      local headers = { Cookie = cookie }
      -- One of the two is never used when there is nothing to choose.
      if share < 100 then plain[#plain + 1] = wrk.format("GET", args[2], headers) end
      if share > 0 then inserting[#inserting + 1] = wrk.format("GET", args[3], headers) end
   end
   math.randomseed(os.time())
   next = math.random(math.max(#plain, #inserting))
end

function request()
   local requests = plain
   if share > 0 and math.random(100) <= share then requests = inserting end
   next = next % #requests + 1
   return requests[next]
end

function done(summary, latency, _)
   local errors = summary.errors
   local quantiles = {}
   for n = 1, 400 do
      quantiles[n] = string.format("%d", latency:percentile((n - 0.5) / 4))
   end
   local failed = errors.connect + errors.read + errors.write + errors.status
   io.write(string.format('{"requests":%d,"micros":%d,"failed":%d,"quantiles_micros":[%s]}\n',
      summary.requests, summary.duration, failed, table.concat(quantiles, ",")))
end
