//! The faults, each with how it begins and how it ends.

use std::time::Duration;

use crate::functions::random;
use crate::scene::Scene;

type Act = fn(&Scene);

pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) begin: Act,
    /// Done now and again while it lasts.
    pub(crate) again: Act,
    pub(crate) end: Act,
    /// Whether nobody reaches Redis. Then copies in memory are all that can be too old, and not for long, whether Redis has
    /// been told or not.
    pub(crate) for_all: bool,
}

const NOTHING: Act = |_| {};
const DAY: i64 = 86_400;

const fn fault(name: &'static str, begin: Act, end: Act) -> Fault {
    Fault {
        name,
        begin,
        again: NOTHING,
        end,
        for_all: false,
    }
}

const fn again(name: &'static str, again: Act, end: Act) -> Fault {
    Fault {
        again,
        ..fault(name, NOTHING, end)
    }
}

const fn for_all(fault: Fault) -> Fault {
    Fault {
        for_all: true,
        ..fault
    }
}

fn heal(scene: &Scene) {
    scene.proxies.iter().for_each(|proxy| proxy.heal());
}

fn cli(scene: &Scene, arguments: &[&str]) {
    let answer = scene.server.cli(arguments);
    assert!(!answer.starts_with("ERR"), "`{}`: {answer}", arguments.join(" "));
}

pub(crate) const FAULTS: &[Fault] = &[
    fault("none", NOTHING, NOTHING),
    for_all(fault(
        "Redis killed, back empty",
        |scene| scene.server.kill(),
        Scene::restart_empty,
    )),
    for_all(fault(
        "Redis killed, back with its data",
        |scene| scene.server.kill(),
        Scene::restart,
    )),
    for_all(fault(
        "Redis stopped (SIGSTOP)",
        |scene| scene.server.pause(),
        |scene| scene.server.resume(),
    )),
    fault(
        "connections swallow, new ones work",
        |scene| scene.proxies.iter().for_each(|proxy| proxy.swallow()),
        heal,
    ),
    for_all(fault(
        "all connections swallow",
        |scene| scene.proxies.iter().for_each(|proxy| proxy.swallow_all()),
        heal,
    )),
    again(
        "connections of the channel swallow",
        |scene| scene.proxies.iter().for_each(|proxy| proxy.swallow_news()),
        NOTHING,
    ),
    fault(
        "one process cut off",
        |scene| scene.proxies[0].swallow_all(),
        heal,
    ),
    fault(
        "connections half closed",
        |scene| scene.proxies.iter().for_each(|proxy| proxy.half_close()),
        heal,
    ),
    fault(
        "connections slow (20 ms a piece)",
        |scene| {
            let slow = Duration::from_millis(20);
            scene.proxies.iter().for_each(|proxy| proxy.slow(slow));
        },
        heal,
    ),
    for_all(fault(
        "connections refused",
        |scene| scene.proxies.iter().for_each(|proxy| proxy.refuse()),
        heal,
    )),
    for_all(fault(
        "a process started without Redis",
        |scene| {
            scene.kill_worker(1);
            scene.server.kill();
            scene.start_worker(1);
        },
        Scene::restart,
    )),
    for_all(fault(
        "wrong password",
        |scene| {
            cli(scene, &["ACL", "SETUSER", "app", "resetpass", ">another"]);
            cli(scene, &["CLIENT", "KILL", "USER", "app"]);
        },
        |scene| cli(scene, &["ACL", "SETUSER", "app", "resetpass", ">secret"]),
    )),
    again("FLUSHALL", |scene| cli(scene, &["FLUSHALL"]), NOTHING),
    fault(
        "memory full (noeviction)",
        |scene| cli(scene, &["CONFIG", "SET", "maxmemory", "1"]),
        |scene| cli(scene, &["CONFIG", "SET", "maxmemory", "0"]),
    ),
    again(
        "CLIENT KILL TYPE normal",
        |scene| cli(scene, &["CLIENT", "KILL", "TYPE", "normal"]),
        NOTHING,
    ),
    again(
        "CLIENT KILL TYPE pubsub",
        |scene| cli(scene, &["CLIENT", "KILL", "TYPE", "pubsub"]),
        NOTHING,
    ),
    fault(
        "master demoted and promoted",
        |scene| cli(scene, &["REPLICAOF", "127.0.0.1", "1"]),
        |scene| cli(scene, &["REPLICAOF", "NO", "ONE"]),
    ),
    again(
        "the clock of one process moved",
        |scene| scene.clock.set([DAY, -DAY, 3600][random(3)]),
        |scene| scene.clock.set(0),
    ),
    again(
        "a process killed and replaced",
        |scene| scene.start_worker(1),
        NOTHING,
    ),
    again(
        "a process stopped (SIGSTOP, 1.5 s)",
        |scene| scene.stop_worker(1, Duration::from_millis(1500)),
        NOTHING,
    ),
];
