-- One-call purchases for wrk: a token for each buyer in turn, a key of its own for each request.
local tokens = {}
for line in io.lines(os.getenv("TOKENS")) do tokens[#tokens + 1] = line end
local body = '{"productId":"' .. os.getenv("PRODUCT") .. '"}'
local run, sent = os.getenv("RUN"), 0

function request()
  sent = sent + 1
  return wrk.format("POST", "/payments/pre-order", {
    ["Authorization"] = "Bearer " .. tokens[sent % #tokens + 1],
    ["Content-Type"] = "application/json",
    ["Idempotency-Key"] = run .. "-" .. sent .. "-" .. math.random(1000000000),
  }, body)
end
