/**
 * What has to happen in one piece on the server. All of them know one stream, by KEYS[1].
 *
 * Invariant: an entry leaves the stream only when no group needs it any more.
 */

/** The field that holds the value. */
export const field = "value";

/** ARGV: capacity, value. Stores it; nil if there is no room. */
export const storeScript = `
if redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[1]) then return false end
return redis.call('XADD', KEYS[1], '*', '${field}', ARGV[2])`;

/**
 * ARGV: group, id. Acknowledges, and removes what no group needs. With one group that is the entry itself; with more,
 * all that come before the first one that some group has still to see or to acknowledge.
 */
export const acknowledgeScript = `
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
local groups = redis.call('XINFO', 'GROUPS', KEYS[1])
if #groups == 1 then return redis.call('XDEL', KEYS[1], ARGV[2]) end
local function parts(id)
  local time, sequence = string.match(id, '(%d+)-(%d+)')
  return tonumber(time), tonumber(sequence)
end
local leastTime, leastSequence
for _, flat in ipairs(groups) do
  local group = {}
  for i = 1, #flat, 2 do group[flat[i]] = flat[i + 1] end
  local time, sequence
  if group['pending'] > 0 then
    time, sequence = parts(redis.call('XPENDING', KEYS[1], group['name'])[2])
  else
    time, sequence = parts(group['last-delivered-id'])
    sequence = sequence + 1
  end
  if leastTime == nil or time < leastTime or (time == leastTime and sequence < leastSequence) then
    leastTime, leastSequence = time, sequence
  end
end
return redis.call('XTRIM', KEYS[1], 'MINID', string.format('%.0f-%.0f', leastTime, leastSequence))`;

/**
 * ARGV: group, consumer, idle milliseconds, cursor, count. Claims what others had for too long; gives the next cursor and
 * the entries: id, deliveries, fields.
 */
export const claimScript = `
local cursor, entries = unpack(redis.call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], 'COUNT', ARGV[5]))
local claimed = {}
for _, entry in ipairs(entries) do
  if entry then
    local pending = redis.call('XPENDING', KEYS[1], ARGV[1], entry[1], entry[1], 1)
    claimed[#claimed + 1] = { entry[1], pending[1][4], entry[2] }
  end
end
return { cursor, claimed }`;

/** ARGV: group, idle milliseconds. Forgets the consumers that hold nothing and have not been seen for so long. */
export const forgetScript = `
for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local consumer = {}
  for i = 1, #flat, 2 do consumer[flat[i]] = flat[i + 1] end
  if consumer['pending'] == 0 and consumer['idle'] >= tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer['name'])
  end
end`;
