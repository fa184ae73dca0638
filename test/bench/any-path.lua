-- For wrk: each request asks for any of the paths in a file, named behind `--`.
local requests = {}

function init(args)
  math.randomseed(1)
  for path in io.lines(args[1]) do requests[#requests + 1] = wrk.format(nil, path) end
end

function request() return requests[math.random(#requests)] end
