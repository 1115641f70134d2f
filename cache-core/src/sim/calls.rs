//! One call of a function as its expansion makes it, and what is asked of the value that it gives.
//! Invariant: a value is judged by what was known when its call began; nothing that happens later excuses it.

use std::collections::HashMap;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::Arc;

use tokio::time::{Duration, Instant, sleep, sleep_until, timeout};

use super::ops::{Call, Outcome};
use super::setup::{
    DEGRADED_TTL, EACH, IN_BACKGROUND, Key, MEMORY_TTL, OP_BUDGET, SITES, SPACES, TAG, WINDOWS, Weather,
};
use super::world::{Load, State, World};
use crate::each::{Each, Said};
use crate::engine::Core;
use crate::engine::call::{Mode, lookup};
use crate::engine::shape::{BySerde, Cloned, Fallible, Optional, Plain, Share, Unshared};
use crate::key::KeyWriter;
use crate::load::{Load as Loading, store_all};
use crate::{CacheKey as _, CacheManager, SharedError};

/// The error of a function.
#[derive(Debug, Clone)]
pub(super) struct Oops(#[expect(dead_code, reason = "shown in traces")] &'static str);

impl From<SharedError> for Oops {
    fn from(_: SharedError) -> Self {
        Self("too late")
    }
}

/// The longest that a value is on its way from its source into memory: a slow load, a leader that is not polled, and the
/// replies of Redis.
const LONGEST: u64 = 1000;

/// One process, for those who act in it.
#[derive(Clone)]
pub(super) struct Process {
    pub(super) world: Arc<World>,
    pub(super) node: usize,
    pub(super) life: u64,
    pub(super) manager: CacheManager,
}

impl Process {
    pub(super) fn core(&self) -> &Arc<Core> {
        &self.manager.core
    }
}

/// A run of a function, while it is under way.
struct Running {
    world: Arc<World>,
    /// The number of the load of each key.
    loads: Vec<usize>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.world.lock();
        for load in &self.loads {
            state.loads[*load].runs = false;
        }
    }
}

/// The function: it reads the versions of these keys at its start and gives the numbers of its loads.
async fn load(process: Process, call: Call, keys: Vec<usize>, called: u64) -> Result<Vec<u64>, Oops> {
    let world = Arc::clone(&process.world);
    let loads = {
        let mut state = world.lock();
        let begin = |key: &usize| state.begin_load(&process, call, *key, called);
        keys.iter().map(begin).collect()
    };
    let running = Running { world, loads };
    sleep(Duration::from_millis(call.wait)).await;
    if !process.world.lock().end_loads(&process, &running.loads, call) {
        // Nothing comes of what a crash has ended.
        return std::future::pending().await;
    }
    match call.outcome {
        Outcome::Value => Ok(running.loads.iter().map(|load| *load as u64).collect()),
        Outcome::Error => Err(Oops("failed")),
        Outcome::Panic => resume_unwind(Box::new("the function panics".to_owned())),
    }
}

/// Makes a call and looks at what it gives.
pub(super) async fn make(process: Process, call: Call) {
    let shares = {
        let mut state = process.world.lock();
        for key in call.keys() {
            state.nodes[call.node].stalled[key] |= call.stalls.is_some();
        }
        state.setup.shares
    };
    let world = Arc::clone(&process.world);
    let started = Instant::now();
    let calling = async {
        if shares {
            one_or_many::<Cloned>(process, call).await;
        } else {
            one_or_many::<Unshared>(process, call).await;
        }
    };
    let (from, until) = call.stalls.unwrap_or((0, 0));
    let at = |time: u64| started + Duration::from_millis(time);
    let polled = unpolled(calling, at(from), at(until));
    match call.leaves {
        Some(after) => {
            if timeout(Duration::from_millis(after), polled).await.is_err() {
                world
                    .lock()
                    .say(|_| format!("n{} caller of key {} leaves", call.node, call.key));
            }
        }
        None => polled.await,
    }
}

/// Keeps a future, and does not poll it for a while.
async fn unpolled(future: impl Future<Output = ()>, from: Instant, until: Instant) {
    let mut future = pin!(future);
    let mut wake = pin!(sleep_until(until));
    std::future::poll_fn(|context| {
        let now = Instant::now();
        if from <= now && now < until {
            let _ = wake.as_mut().poll(context);
            return std::task::Poll::Pending;
        }
        future.as_mut().poll(context)
    })
    .await;
}

/// What is known of a key when it is called for.
struct Known {
    key: usize,
    began: u64,
    /// How long what it gives may have been on its way before.
    on_its_way: u64,
    /// The version that it must not fall below.
    need: u64,
}

impl Known {
    fn of(process: &Process, key: usize, call: Call) -> Self {
        let mut state = process.world.lock();
        let need = state.need(process, key);
        let node = process.node;
        state.say(|_| format!("n{node} call of key {key}, needs version {need}: {call:?}"));
        // A load that it joins may have read in Redis before, what was fresh then.
        let joins = process.core().memory.is_loading(&state.setup.keys[key].text);
        Self {
            key,
            began: state.now(),
            on_its_way: if joins { 2 * OP_BUDGET } else { 0 },
            need,
        }
    }

    fn judge(&self, state: &mut State, node: usize, value: u64) {
        let began = self.began - self.on_its_way.min(self.began);
        state.judge(node, self.key, value, began, self.need);
    }
}

fn render(key: &Key, out: &mut KeyWriter) {
    out.literal(SPACES[key.site]);
    out.literal(":");
    key.id.write_key(out);
}

type Ret = Result<u64, Oops>;
type RetOfElement = Result<Option<u64>, Oops>;

async fn one_or_many<H>(process: Process, call: Call)
where
    H: Share<Ret> + Share<RetOfElement> + 'static,
{
    let site = {
        let state = process.world.lock();
        state.setup.keys[call.key].site
    };
    if site == EACH {
        many::<H>(process, call).await;
    } else {
        one::<H>(process, call).await;
    }
}

async fn one<H: Share<Ret> + 'static>(process: Process, call: Call) {
    let (world, node) = (Arc::clone(&process.world), process.node);
    let setup = Arc::clone(&world.lock().setup);
    let key = &setup.keys[call.key];
    let site = &SITES[key.site];
    let known = Known::of(&process, call.key, call);
    let render = |out: &mut KeyWriter| render(key, out);
    let mode = Mode::of(false, call.refresh);
    let found =
        lookup::<Fallible<Plain<u64>, Oops>, BySerde<u64>, H>(site, Some(&process.manager), mode, &render);
    let ret = match found {
        Ok(ret) => ret,
        Err(mut miss) => {
            if key.tagged {
                miss = miss.tag(|out| out.literal(TAG));
            }
            let miss = miss.hard_timeout(|error| Err(error.into()));
            let began = known.began;
            let load = async move {
                load(process, call, vec![call.key], began)
                    .await
                    .map(|loads| loads[0])
            };
            if IN_BACKGROUND[key.site] {
                miss.load_in_background(Box::pin(load), store_all).await
            } else {
                Loading { miss, load }.await
            }
        }
    };
    let mut state = world.lock();
    match ret {
        Ok(value) => known.judge(&mut state, node, value),
        Err(error) => state.say(|_| format!("n{node} call of key {}: {error:?}", call.key)),
    }
}

async fn many<H: Share<RetOfElement> + 'static>(process: Process, call: Call) {
    let (world, node) = (Arc::clone(&process.world), process.node);
    let setup = Arc::clone(&world.lock().setup);
    let keys = call.keys();
    let known: Vec<Known> = keys.iter().map(|key| Known::of(&process, *key, call)).collect();
    let began = known[0].began;
    let each = Each::<Fallible<Optional<Plain<u64>>, Oops>, BySerde<u64>, H>::new(
        &SITES[EACH],
        Some(&process.manager),
        Mode::of(false, call.refresh),
    );
    let ret: Result<HashMap<usize, u64>, Oops> = each
        .load(
            &keys,
            |key: &usize, out: &mut KeyWriter| render(&setup.keys[*key], out),
            |key: &usize, said: Said| {
                if setup.keys[*key].tagged {
                    said.tag(|out| out.literal(TAG))
                } else {
                    said
                }
            },
            |missing: Vec<usize>| {
                let load = load(process.clone(), call, missing.clone(), began);
                async move { Ok(missing.into_iter().zip(load.await?).collect()) }
            },
            store_all,
        )
        .await;
    let mut state = world.lock();
    match ret {
        Ok(values) => {
            for known in known {
                match values.get(&known.key) {
                    Some(value) => known.judge(&mut state, node, *value),
                    None => state.fail(format!("key {} is missing among what a call gave", known.key)),
                }
            }
        }
        Err(error) => state.say(|_| format!("n{node} call of keys {keys:?}: {error:?}")),
    }
}

impl State {
    fn begin_load(&mut self, process: &Process, call: Call, key: usize, called: u64) -> usize {
        let number = self.loads.len();
        let load = Load {
            node: process.node,
            life: process.life,
            key,
            version: self.source[key],
            called,
            ended: None,
            runs: true,
            alone: call.refresh || call.stalls.is_some(),
        };
        self.say(|_| {
            format!(
                "n{} load {number} of key {} begins, version {}",
                load.node, load.key, load.version
            )
        });
        let excused = self.nodes[process.node].excused[key];
        let other = self.loads.iter().rposition(|other| {
            other.runs
                && (other.node, other.life, other.key) == (load.node, load.life, load.key)
                && !other.alone
                && other.called.min(called) > excused
        });
        // A function with a bound on its callers' time leaves its run behind; an error that is not shared makes many runs;
        // a nonce that was lost or missed makes one more, whenever that is found out, and so does a refresh.
        let stormy = matches!(self.setup.weather, Weather::Storm | Weather::Outage);
        let hard = SITES[self.setup.keys[key].site].hard_timeout > 0;
        let failing = !self.setup.shares && self.setup.weather != Weather::Calm;
        if let Some(other) = other
            && !load.alone
            && !hard
            && !stormy
            && !self.nodes[load.node].stalled[load.key]
            && !self.setup.refreshes
            // Where a nonce was replaced, it may have read in Redis what it has not heard.
            && self.renewed[load.key] == 0
            && !failing
        {
            self.fail(format!("S1: load {number} begins while load {other} runs"));
        }
        self.loads.push(load);
        number
    }

    fn end_loads(&mut self, process: &Process, loads: &[usize], call: Call) -> bool {
        let now = self.now();
        for number in loads {
            if call.outcome == Outcome::Value {
                self.loads[*number].ended = Some(now);
            }
            self.say(|_| format!("n{} load {number} ends: {:?}", process.node, call.outcome));
        }
        self.lives(process.node, process.life)
    }

    /// The version that a call which begins now must not fall below.
    fn need(&mut self, process: &Process, key: usize) -> u64 {
        let now = self.now();
        let core = process.core();
        let name = &self.setup.keys[key].text;
        let held = core.memory.any(core.memory.hash(name), name, |_| ()).is_some();
        let node = &self.nodes[process.node];
        let mut need = node.floor[key];
        if !held && !core.memory.is_loading(name) {
            // What it gets is from Redis, or loaded for it.
            need = need.max(self.deleted[key]);
            if !node.hears {
                need = need.max(self.renewed[key]);
            }
        }
        let bound = match node.deaf_since {
            Some(since) if now >= since + DEGRADED_TTL + LONGEST => DEGRADED_TTL + LONGEST,
            _ => 2 * MEMORY_TTL + LONGEST,
        };
        if let Some(time) = now.checked_sub(bound) {
            need = need.max(self.floor_at(key, time));
        }
        need
    }

    fn judge(&mut self, node: usize, key: usize, value: u64, began: u64, need: u64) {
        let Some((number, load)) = self.version_of(value).map(|(number, load)| (number, *load)) else {
            self.fail(format!("nothing was loaded that key {key} gave"));
            return;
        };
        self.say(|_| {
            format!(
                "n{node} call of key {key} gives load {number}, version {}",
                load.version
            )
        });
        if load.key != key {
            self.fail(format!("key {key} gave what was loaded for key {}", load.key));
        }
        if load.version < need {
            self.fail(format!(
                "G2: n{node} gave version {} of key {key}, when {need} was known as it was called",
                load.version
            ));
        }
        let site = self.setup.keys[key].site;
        let life = SITES[site].ttl.unwrap_or(0) + WINDOWS[site];
        if load.ended.is_none_or(|ended| ended + life <= began) {
            self.fail(format!(
                "T1: n{node} gave load {number} of key {key} past its time"
            ));
        }
    }
}
