//! What Redis does in one step: the guard of one key as `remote::guard` says it, nonces of generations, and invalidations
//! together with the message that tells of them; a user who may not publish is no reason to fail. Invariant: a script touches
//! one key, so that it runs on any cluster; the one that empties a page of a scan is given one at a time there.

use std::sync::LazyLock;

use redis::Cmd;

/// The parts of a head that all scripts of the guard look at. `struct` packs numbers up to 2^53 exactly.
const HEAD: &str = r"
local key = KEYS[1]
local function ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
local head = redis.pcall('GETRANGE', key, 0, 49)
if type(head) ~= 'string' or #head < 50 or string.sub(head, 1, 3) ~= '\202\193\2' then head = nil end
local token, state, empty, due
if head then
  token = string.sub(head, 26, 33)
  due = struct.unpack('<I8', string.sub(head, 34, 41))
  state = string.byte(head, 42)
  empty = string.byte(head, 4) == 4
end
local function keep(least)
  local left = redis.call('PTTL', key)
  if left >= 0 and left < least then redis.call('PEXPIRE', key, least) end
end
";

/// `token lease aim seen waited terms empty-head`: claims the key for a load.
/// 1: granted. 0, token, left: held. 2, bytes: an entry has come. 3: the load that was waited for has failed.
const CLAIM_TEXT: &str = r"
local mine, lease, aim, seen = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local now = ms()
local hold = mine .. struct.pack('<I8', now + lease) .. '\1' .. ARGV[6]
if head then
  local known = head == seen
  if aim ~= 'replace' and due > now and token ~= mine then
    if state == 2 and token == ARGV[5] then return {3} end
    if (state == 1 or state == 3) and string.sub(head, 43, 50) == ARGV[6] then
      if state == 1 and aim ~= 'refresh' then redis.call('SETRANGE', key, 41, '\3') end
      return {0, token, due - now}
    end
  end
  if not empty then
    local fresh = struct.unpack('<I8', string.sub(head, 10, 17))
    local served = struct.unpack('<I8', string.sub(head, 18, 25))
    if aim ~= 'replace' and not known and fresh > now then return {2, redis.call('GET', key)} end
    if (not known or aim == 'refresh') and served > now then
      redis.call('SETRANGE', key, 25, hold)
      keep(lease)
      return {1}
    end
  end
end
redis.call('SET', key, ARGV[7] .. hold, 'PX', lease)
return {1}
";

/// `token value ttl channel message`: stores the result of a load, if its claim stands, and tells those who wait.
const COMMIT_TEXT: &str = r"
if head and token == ARGV[1] and (state == 1 or state == 3) then
  redis.call('SET', key, ARGV[2], 'PX', ARGV[3])
  if state == 3 then redis.pcall('PUBLISH', ARGV[4], ARGV[5]) end
  return 1
end
return 0
";

/// `token lease`: a sign of life.
const RENEW_TEXT: &str = r"
if head and token == ARGV[1] and (state == 1 or state == 3) then
  local lease = tonumber(ARGV[2])
  redis.call('SETRANGE', key, 33, struct.pack('<I8', ms() + lease))
  keep(lease)
end
return 0
";

/// `token failed throttle told channel message`: gives a claim back, and tells those who wait.
const RELEASE_TEXT: &str = r"
if not head or token ~= ARGV[1] or (state ~= 1 and state ~= 3) then return 0 end
local quiet = 0
if state == 3 then redis.pcall('PUBLISH', ARGV[5], ARGV[6]) end
if ARGV[2] == '1' then
  if not empty then quiet = tonumber(ARGV[3]) end
  if state == 3 then quiet = math.max(quiet, tonumber(ARGV[4])) end
end
if quiet == 0 then
  if empty then redis.call('DEL', key) else redis.call('SETRANGE', key, 33, string.rep('\0', 17)) end
  return 0
end
redis.call('SETRANGE', key, 33, struct.pack('<I8', ms() + quiet) .. '\2')
keep(quiet)
return 0
";

/// `nonce life`: the nonce of a generation, which is made if there is none.
const LEARN_TEXT: &str = r"
local nonce = redis.pcall('GET', KEYS[1])
if type(nonce) ~= 'string' or not string.match(nonce, '^%d+$') then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return ARGV[1]
end
if redis.call('PTTL', KEYS[1]) < ARGV[2] / 2 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return nonce
";

/// `value ttl channel message`: stores, and tells the others. What was there goes in any case, also when memory is full: a
/// script that has deleted something may then store.
const PUT_TEXT: &str = r"
redis.call('DEL', KEYS[1])
redis.pcall('PUBLISH', ARGV[3], ARGV[4])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
";

/// `channel message`: deletes, and tells the others. Gives whether there was more than a lease.
const INVALIDATE_TEXT: &str = r"
local first = redis.pcall('GETRANGE', KEYS[1], 0, 3)
local there = redis.call('DEL', KEYS[1])
redis.pcall('PUBLISH', ARGV[1], ARGV[2])
if first == '\202\193\2\4' then return 0 end
return there
";

/// `head`: deletes what cannot be read, if it is still the same.
const DISCARD_TEXT: &str = r"
if redis.pcall('GETRANGE', KEYS[1], 0, 49) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
";

/// Deletes keys. Gives how many of them were more than a lease.
const UNLINK_TEXT: &str = r"
local gone = 0
for _, key in ipairs(KEYS) do
  local first = redis.pcall('GETRANGE', key, 0, 3)
  local there = redis.call('UNLINK', key)
  if first ~= '\202\193\2\4' then gone = gone + there end
end
return gone
";

/// A script with its digest.
pub(super) struct Code {
    text: String,
    digest: String,
}

impl Code {
    fn new(parts: &[&str]) -> Self {
        let text = parts.concat();
        let digest = redis::Script::new(&text).get_hash().to_owned();
        Self { text, digest }
    }
}

macro_rules! scripts {
    ($($name:ident = $($part:expr),*;)*) => {$(
        pub(super) static $name: LazyLock<Code> = LazyLock::new(|| Code::new(&[$($part),*]));
    )*};
}

scripts! {
    CLAIM = HEAD, CLAIM_TEXT;
    COMMIT = HEAD, COMMIT_TEXT;
    RENEW = HEAD, RENEW_TEXT;
    RELEASE = HEAD, RELEASE_TEXT;
    LEARN = LEARN_TEXT;
    DISCARD = DISCARD_TEXT;
    PUT = PUT_TEXT;
    UNLINK = UNLINK_TEXT;
    PUBLISHED_DELETE = INVALIDATE_TEXT;
}

/// One thing to be done by Redis: a command, or a script on a key.
#[derive(Clone)]
pub(super) enum Step {
    Command {
        key: Vec<u8>,
        command: Cmd,
    },
    Script {
        code: &'static Code,
        keys: Vec<Vec<u8>>,
        arguments: Vec<Vec<u8>>,
    },
}

impl Step {
    pub(super) fn script<const N: usize>(code: &'static Code, key: &str, arguments: [&[u8]; N]) -> Self {
        Self::Script {
            code,
            keys: vec![key.as_bytes().to_vec()],
            arguments: arguments.iter().map(|argument| argument.to_vec()).collect(),
        }
    }

    /// What decides where it is to be done.
    pub(super) fn key(&self) -> &[u8] {
        match self {
            Self::Command { key, .. } => key,
            Self::Script { keys, .. } => keys.first().map_or(&[], Vec::as_slice),
        }
    }

    /// The command; scripts go by their digest, or in full for a server that does not know them.
    pub(super) fn command(&self, in_full: bool) -> Cmd {
        match self {
            Self::Command { command, .. } => command.clone(),
            Self::Script {
                code,
                keys,
                arguments,
            } => {
                let mut command = if in_full {
                    let mut command = redis::cmd("EVAL");
                    command.arg(&code.text);
                    command
                } else {
                    let mut command = redis::cmd("EVALSHA");
                    command.arg(&code.digest);
                    command
                };
                command.arg(keys.len());
                for argument in keys.iter().chain(arguments) {
                    command.arg(argument.as_slice());
                }
                command
            }
        }
    }
}
