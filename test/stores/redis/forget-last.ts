/**
 * A script that takes the last event of a stream away as if it had never been there. `XDEL` and `XSETID` do not do in Valkey, which
 * does not let the last id fall below that of a removed event. KEYS: the stream.
 */
export const FORGET_LAST = `
  local all = redis.call('XRANGE', KEYS[1], '-', '+')
  redis.call('DEL', KEYS[1])
  for at = 1, #all - 1 do
    redis.call('XADD', KEYS[1], all[at][1], unpack(all[at][2]))
  end
`;
