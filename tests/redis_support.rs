//! The spawned Redis server that other tests stand on.

use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use redis::AsyncCommands;
use tests::{RedisServer, shared, unique_prefix};

/// A connection of the crate that the library uses.
async fn connect(url: &str) -> redis::RedisResult<redis::aio::MultiplexedConnection> {
    redis::Client::open(url)?.get_multiplexed_async_connection().await
}

#[tokio::test]
async fn a_server_answers_on_its_port_and_on_its_socket() {
    let server = RedisServer::start();
    let mut tcp = connect(&server.url()).await.unwrap();
    let () = tcp.set("a", 1).await.unwrap();
    // The crate has Unix sockets only with a feature; the server's own client stands in for it.
    assert_eq!(server.cli(&["GET", "a"]), "1");
    assert_eq!(server.cli(&["GET", "b"]), "");
    assert_eq!(server.cli(&["MGET", "a", "b", "a"]), "1\n\n1");
    assert!(server.cli(&["INCR"]).starts_with("ERR wrong number of arguments"));
    assert!(server.unix_url().starts_with("unix:///"));
}

#[test]
fn a_killed_server_refuses_connections_and_comes_back_empty_on_the_same_port() {
    let server = RedisServer::start();
    let port = server.port();
    server.cli(&["SET", "a", "1"]);
    server.kill();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    server.restart();
    assert_eq!(server.port(), port);
    assert_eq!(server.cli(&["GET", "a"]), "");
}

#[test]
fn a_dropped_server_leaves_its_port_to_the_next() {
    let first = RedisServer::start();
    let port = first.port();
    drop(first);
    assert_eq!(RedisServer::start_on(port).cli(&["PING"]), "PONG");
}

#[test]
fn a_server_waits_until_its_port_is_free() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || RedisServer::start_on(port));
    std::thread::sleep(Duration::from_millis(100));
    assert!(!server.is_finished());
    drop(listener);
    assert_eq!(server.join().unwrap().cli(&["PING"]), "PONG");
}

#[tokio::test]
async fn a_paused_server_answers_after_it_is_resumed() {
    let server = RedisServer::start();
    let mut connection = connect(&server.url()).await.unwrap();
    server.pause();
    let reply = tokio::spawn(async move { redis::cmd("PING").query_async::<String>(&mut connection).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!reply.is_finished());
    server.resume();
    assert_eq!(reply.await.unwrap().unwrap(), "PONG");
}

#[tokio::test]
async fn a_server_with_a_password_wants_it() {
    let server = RedisServer::start_with_password("open-sesame");
    assert_eq!(server.cli(&["PING"]), "PONG");
    let mut right = connect(&server.url()).await.unwrap();
    assert_eq!(
        redis::cmd("PING")
            .query_async::<String>(&mut right)
            .await
            .unwrap(),
        "PONG"
    );
    let bare = format!("redis://127.0.0.1:{}/", server.port());
    assert!(
        async {
            redis::cmd("PING")
                .query_async::<String>(&mut connect(&bare).await?)
                .await
        }
        .await
        .is_err()
    );
}

#[tokio::test]
async fn a_monitor_has_every_command_executed_before_it_is_read() {
    let server = RedisServer::start();
    let monitor = server.monitor();
    let mut connection = connect(&server.url()).await.unwrap();
    let () = connection.set("a", "x \"y\"").await.unwrap();
    let script = redis::Script::new("return redis.call('GET', KEYS[1])");
    let _: String = script.key("a").invoke_async(&mut connection).await.unwrap();
    let commands = monitor.commands();
    assert_eq!(commands[0], r#""SET" "a" "x \"y\"""#);
    assert!(
        commands[1..]
            .iter()
            .all(|command| command.starts_with("\"EVAL") || command.starts_with("\"SCRIPT"))
    );
    assert!(
        monitor
            .lines()
            .iter()
            .any(|line| line.ends_with(r#"lua] "GET" "a""#))
    );
}

#[test]
fn shared_is_one_server_and_prefixes_differ() {
    assert_eq!(shared().port(), shared().port());
    assert_ne!(unique_prefix(), unique_prefix());
}

/// Not a test of its own: the process that the next one kills.
#[test]
fn child_that_is_killed() {
    if std::env::var_os("CACHE_TEST_CHILD").is_some() {
        println!("port={}", shared().port());
        std::thread::sleep(Duration::from_secs(60));
    }
}

#[test]
fn a_server_dies_with_the_process_that_started_it() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "child_that_is_killed",
            "--exact",
            "--nocapture",
            "--test-threads=1",
        ])
        .env("CACHE_TEST_CHILD", "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = std::io::BufReader::new(child.stdout.take().unwrap());
    let port: u16 = std::io::BufRead::lines(output)
        .map_while(Result::ok)
        .find_map(|line| {
            line.split_once("port=")
                .and_then(|(_, port)| port.trim().parse().ok())
        })
        .unwrap();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
    child.kill().unwrap();
    child.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", port)).is_ok() {
        assert!(
            Instant::now() < deadline,
            "the server on port {port} is still there"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}
