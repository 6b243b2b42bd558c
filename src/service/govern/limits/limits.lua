#!lua name=valetkey_limits_3

-- The limits of devices, decided by one call and by this server's clock alone.
--
-- A window is a hash: slot number -> amount, and the slots' width in microseconds. A slot counts until the window has passed
-- since its end, so what is counted is never less than what happened in the window, and at most a 64th late.
-- Changing a layout, a signature or an answer takes a new number at the end of every name here: instances of two versions
-- may run side by side. Versions 2 and 3 have the same layouts, so their instances count together.

local SLOTS = 64

local function now_us()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local function text(number)
  return string.format('%.0f', number)
end

-- Reads a window and forgets what is past. Slots of another width, and slots from the future (the clock was set back,
-- or another server's was ahead), count from now on: forgetting them would admit too many.
local function open(key, length, now)
  local width = math.ceil(length / SLOTS)
  local window = { key = key, width = width, present = math.floor(now / width), total = 0, slots = {} }
  local flat = redis.call('HGETALL', key)
  local stored
  for i = 1, #flat, 2 do
    if flat[i] == 'width' then stored = tonumber(flat[i + 1]) end
  end
  local gone, moved = {}, 0
  for i = 1, #flat, 2 do
    local number, amount = tonumber(flat[i]), tonumber(flat[i + 1])
    if not number then -- the width itself
    elseif stored ~= width or number > window.present + 1 then
      gone[#gone + 1] = flat[i]
      moved = moved + amount
    elseif number < window.present - SLOTS then
      gone[#gone + 1] = flat[i]
    else
      window.slots[#window.slots + 1] = { number, amount }
      window.total = window.total + amount
    end
  end
  for _, field in ipairs(gone) do redis.call('HDEL', key, field) end
  window.is_new = stored ~= width
  if moved > 0 then
    window.slots[#window.slots + 1] = { window.present, moved }
    window.total = window.total + moved
  end
  window.moved = moved
  return window
end

local function add(window, amount)
  if window.is_new then redis.call('HSET', window.key, 'width', text(window.width)) end
  redis.call('HINCRBY', window.key, text(window.present), text(amount))
  redis.call('PEXPIRE', window.key, text(math.ceil((SLOTS + 1) * window.width / 1000) + 1000))
end

-- What was moved is stored even when the request is denied.
local function keep(window)
  if window.moved > 0 then add(window, window.moved) end
  window.is_new = window.is_new and window.moved == 0
end

-- Microseconds until there is less than the limit; nothing when there is less already.
local function wait(window, limit, now)
  local excess = window.total - limit + 1
  if excess <= 0 then return nil end
  table.sort(window.slots, function(a, b) return a[1] < b[1] end)
  for _, slot in ipairs(window.slots) do
    excess = excess - slot[2]
    if excess <= 0 then return math.max(1, (slot[1] + SLOTS + 1) * window.width - now) end
  end
end

-- KEYS: requests, tokens, leases. ARGV: requests, window (us), tokens, token window (us), open requests, the wait to
-- name when too many are open (us), lease, its life (ms). A limit of 0 is none.
-- Returns which limit denies (0: none, 1: requests, 2: tokens, 3: open requests), for how long, in which slot of the
-- requests this one counts, and how many requests (this one too) and tokens count now.
local function admit(keys, args)
  local now = now_us()
  local by, longest = 0, 0
  local function deny(limit, time)
    if time and time > longest then by, longest = limit, time end
  end
  local requests, tokens, most = tonumber(args[1]), tonumber(args[3]), tonumber(args[5])
  local window, used
  if requests > 0 then
    window = open(keys[1], tonumber(args[2]), now)
    keep(window)
    deny(1, wait(window, requests, now))
  end
  if tokens > 0 then
    used = open(keys[2], tonumber(args[4]), now)
    keep(used)
    deny(2, wait(used, tokens, now))
  end
  if most > 0 then
    redis.call('ZREMRANGEBYSCORE', keys[3], '-inf', text(now))
    if redis.call('ZCARD', keys[3]) >= most then deny(3, tonumber(args[6])) end
  end
  if by > 0 then return { by, math.ceil(longest), 0, 0, 0 } end
  if window then add(window, 1) end
  if most > 0 then
    redis.call('ZADD', keys[3], text(now + tonumber(args[8]) * 1000), args[7])
    redis.call('PEXPIRE', keys[3], args[8])
  end
  return { 0, 0, window and window.present or 0, window and window.total + 1 or 0, used and used.total or 0 }
end

-- KEYS: requests. ARGV: window (us), slot. Takes one back that counts there, unless the slot is forgotten, or its requests
-- were moved to another.
local function take_back(keys, args)
  local width = math.ceil(tonumber(args[1]) / SLOTS)
  if tonumber(redis.call('HGET', keys[1], 'width') or 0) == width then
    local count = tonumber(redis.call('HGET', keys[1], args[2]) or 0)
    if count > 0 then redis.call('HINCRBY', keys[1], args[2], -1) end
  end
  return redis.status_reply('OK')
end

-- KEYS: tokens. ARGV: token window (us), amount.
local function charge(keys, args)
  local window = open(keys[1], tonumber(args[1]), now_us())
  keep(window)
  add(window, tonumber(args[2]))
  return redis.status_reply('OK')
end

-- KEYS: leases. ARGV: life (ms), leases. Adds those that were lost.
local function renew(keys, args)
  local until_us = text(now_us() + tonumber(args[1]) * 1000)
  for i = 2, #args do redis.call('ZADD', keys[1], until_us, args[i]) end
  redis.call('PEXPIRE', keys[1], args[1])
  return redis.status_reply('OK')
end

-- KEYS: instances. ARGV: instance, life (ms). Returns how many live.
local function beat(keys, args)
  local now = now_us()
  redis.call('ZREMRANGEBYSCORE', keys[1], '-inf', text(now))
  redis.call('ZADD', keys[1], text(now + tonumber(args[2]) * 1000), args[1])
  redis.call('PEXPIRE', keys[1], args[2])
  return redis.call('ZCARD', keys[1])
end

redis.register_function('valetkey_admit_3', admit)
redis.register_function('valetkey_take_back_3', take_back)
redis.register_function('valetkey_charge_3', charge)
redis.register_function('valetkey_renew_3', renew)
redis.register_function('valetkey_beat_3', beat)
