//! The environment of a process (contract, section 6).

use std::process::Command;

use tests::RedisServer;

/// What the probe prints with these variables and none of the caller's own.
fn probe(variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_probe"));
    command.env_clear().envs(variables.iter().copied());
    let output = command.output().expect("the probe runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("the probe prints text")
}

#[test]
fn with_nothing_set_it_runs_in_memory() {
    let said = probe(&[]);
    assert!(
        said.contains("backend: Memory") && said.contains("runs 1"),
        "{said}"
    );
}

#[test]
fn e2_a_bad_ttl_is_refused_by_name_and_functions_run_with_defaults() {
    let said = probe(&[("CACHE_DEFAULT_TTL", "soon")]);
    assert!(
        said.contains("refused: `CACHE_DEFAULT_TTL` is `soon`; it takes seconds"),
        "{said}"
    );
    assert!(said.contains("runs 1"), "{said}");
}

#[test]
fn e3_a_bad_url_is_refused_without_its_password() {
    let said = probe(&[("REDIS_URL", "redis://ann:s3cret@:notaport/")]);
    assert!(said.contains("refused: `REDIS_URL` is `redis://***`"), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
}

#[test]
fn e3_a_wrong_password_is_a_configuration_error_that_does_not_show_it() {
    let server = RedisServer::start_with_password("right");
    let port = server.port().to_string();
    let said = probe(&[
        ("REDIS_HOST", "127.0.0.1"),
        ("REDIS_PORT", &port),
        ("REDIS_PASSWORD", "wr0ng"),
    ]);
    assert!(
        said.contains("refused the credentials: authentication failed; check"),
        "{said}"
    );
    assert!(!said.contains("wr0ng") && said.contains("runs 1"), "{said}");
    let said = probe(&[
        ("REDIS_HOST", "127.0.0.1"),
        ("REDIS_PORT", &port),
        ("REDIS_PASSWORD", "right"),
        // Connecting may take a while on a busy machine, and is part of the first call.
        ("CACHE_OP_BUDGET", "5000"),
    ]);
    assert!(
        said.contains("status: Healthy") && said.contains("runs 1"),
        "{said}"
    );
}

#[test]
fn an_unreachable_redis_is_no_error() {
    let said = probe(&[("REDIS_URL", "redis://127.0.0.1:1/")]);
    assert!(
        said.contains("made") && said.contains("status: Degraded") && said.contains("runs 1"),
        "{said}"
    );
}

#[test]
fn e2_a_deployment_that_cannot_be_is_a_clear_error() {
    let several = "redis://127.0.0.1:1,127.0.0.1:2";
    for (variables, words) in [
        (
            &[("REDIS_URL", several), ("REDIS_MODE", "sentinel")][..],
            "`REDIS_SENTINEL_MASTER` is not set",
        ),
        (
            &[("REDIS_URL", several), ("REDIS_MODE", "single")],
            "names several nodes, but `REDIS_MODE` is `single`",
        ),
        (
            &[("REDIS_URL", several), ("REDIS_SENTINEL_MASTER", "m")],
            "set `REDIS_MODE=sentinel`",
        ),
        (
            &[("REDIS_HOST", "h"), ("REDIS_DB", "3"), ("REDIS_MODE", "cluster")],
            "a cluster has database 0 alone",
        ),
        (
            &[("REDIS_URL", "unix:///tmp/s"), ("REDIS_MODE", "cluster")],
            "a cluster and sentinels take `redis://`",
        ),
        (&[("REDIS_URL", "http://h")], "it takes `redis://"),
    ] {
        let said = probe(variables);
        assert!(
            said.contains("refused: `REDIS_") && said.contains(words),
            "{said}"
        );
    }
}

#[test]
fn l3_an_unreachable_cluster_is_no_error() {
    let said = probe(&[("REDIS_URL", "redis://ann:hunter2@127.0.0.1:1,127.0.0.1:2")]);
    assert!(
        said.contains("made") && said.contains("status: Degraded") && said.contains("runs 1"),
        "{said}"
    );
    assert!(
        said.contains("mode: Cluster") && !said.contains("hunter2"),
        "{said}"
    );
}

#[test]
fn turned_off_every_function_runs_as_if_not_annotated() {
    let said = probe(&[("CACHE_ENABLED", "false")]);
    assert!(said.contains("status: Off") && said.contains("runs 2"), "{said}");
}

#[test]
fn a_backend_that_needs_redis_says_so() {
    let said = probe(&[("CACHE_BACKEND", "tiered")]);
    assert!(
        said.contains("no Redis is named: set `REDIS_URL` or `REDIS_HOST`"),
        "{said}"
    );
}

#[test]
fn prefix_and_ttls_come_from_the_environment() {
    let server = RedisServer::start();
    probe(&[
        ("REDIS_URL", &server.url()),
        ("CACHE_KEY_PREFIX", "shop"),
        ("LEAD_CACHE_TTL", "2m"),
    ]);
    let ttl: i64 = server
        .cli(&["TTL", "shop:lead:42"])
        .trim()
        .parse()
        .expect("a number");
    assert!((110..=120).contains(&ttl), "{ttl}");
    probe(&[
        ("REDIS_URL", &server.url()),
        ("CACHE_KEY_PREFIX", ""),
        ("CACHE_BACKEND", "redis"),
    ]);
    assert_eq!(server.cli(&["EXISTS", "lead:42"]).trim(), "1");
    let ttl: i64 = server.cli(&["TTL", "lead:42"]).trim().parse().expect("a number");
    assert!((7190..=7200).contains(&ttl), "{ttl}");
}
