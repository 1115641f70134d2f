//! Nothing personal is told (contract, section 10): many tenants and addresses go through a function and a handler whose keys
//! have `:hash`, while everything that can be seen of the cache is searched for them. `PERSONAL_KEYS` says how many.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{Request, StatusCode};
use axum::routing::get;
use cache_core::metrics::Bridge;
use cache_core::{CacheManager, cache_response, cache_result, invalidate_cache};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde::{Deserialize, Serialize};
use tests::RedisServer;
use tower::ServiceExt;

/// What each tenant and each address has in it, and nothing else has.
const MARK: &str = "zqperson";

fn people() -> u64 {
    let said = std::env::var("PERSONAL_KEYS").ok();
    said.map_or(1_000, |said| said.parse().expect("a number"))
}

#[derive(Clone, Serialize, Deserialize)]
struct Profile {
    email: String,
}

#[cache_result(
    key = "profile:{tenant:hash}:{email:hash}",
    ttl = "1h",
    stale_if_error = "1h",
    tags = ["tenant:{tenant:hash}"],
    skip(number)
)]
async fn profile(tenant: &str, email: &str, number: u64) -> Result<Option<Profile>, String> {
    match number % 50 {
        0 => Err(format!("{email} of {tenant} cannot be read")),
        1 => Ok(None),
        _ => Ok(Some(Profile {
            email: email.to_owned(),
        })),
    }
}

#[invalidate_cache(profile(tenant, email), tags = ["tenant:{tenant:hash}"])]
async fn change_profile(tenant: &str, email: &str) -> Result<(), String> {
    let _ = (tenant, email);
    Ok(())
}

#[cache_response(key = "card:{tenant:hash}:{email:hash}", ttl = "1h")]
async fn card(Path((tenant, email)): Path<(String, String)>) -> Result<String, StatusCode> {
    if email.contains("7@") {
        return Err(StatusCode::INTERNAL_SERVER_ERROR);
    }
    Ok(format!("{email} of {tenant}"))
}

/// A log that keeps nothing but what has the mark.
#[derive(Clone, Default)]
struct Searched {
    found: Arc<Mutex<Vec<String>>>,
    bytes: Arc<Mutex<u64>>,
}

impl std::io::Write for Searched {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        *self.bytes.lock().expect("a number") += bytes.len() as u64;
        let line = String::from_utf8_lossy(bytes);
        if line.contains(MARK) {
            self.found.lock().expect("the log").push(line.into_owned());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// All that is shown of a cache.
struct Seen {
    texts: Vec<(&'static str, String)>,
    /// How many lines of `/metrics`, series of a recorder, rows of `stats` and of the catalogue there are.
    sizes: [usize; 4],
}

/// What a router answers to a request, as it is on the wire.
async fn answer(app: &Router, path: &str) -> (StatusCode, String) {
    let request = Request::get(path).body(Body::empty()).expect("a request");
    let response = app.clone().oneshot(request).await.expect("a response");
    let told = format!("{:?}", response.headers());
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX)
        .await
        .expect("a body");
    (status, told + std::str::from_utf8(&body).expect("text"))
}

async fn seen(manager: &CacheManager, console: &Router, recorded: &str) -> Seen {
    let mut texts = vec![
        ("stats()", format!("{}{0:?}", manager.stats())),
        ("health()", format!("{:?}", manager.health().await)),
        ("the manager", format!("{manager:?}")),
        ("a recorder", recorded.to_owned()),
        (
            "catalogue()",
            format!(
                "{}{0:?}{}",
                cache_core::catalogue(),
                cache_core::catalogue().graph()
            ),
        ),
    ];
    for path in ["/", "/stats", "/metrics", "/health", "/catalogue", "/popular"] {
        let (status, text) = answer(console, path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        texts.push((path, text));
    }
    let metrics = texts.iter().find(|(name, _)| *name == "/metrics");
    let sizes = [
        metrics.map_or(0, |(_, text)| text.lines().count()),
        recorded.lines().count(),
        manager.stats().functions.len(),
        cache_core::catalogue().functions().len(),
    ];
    Seen { texts, sizes }
}

async fn all_keys(redis: &RedisServer) -> Vec<String> {
    let client = redis::Client::open(redis.url()).expect("an address");
    let mut connection = client.get_multiplexed_async_connection().await.expect("Redis");
    let mut keys = Vec::new();
    let mut cursor = 0_u64;
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("COUNT").arg(10_000);
        let (next, page): (u64, Vec<Vec<u8>>) = scan.query_async(&mut connection).await.expect("keys");
        keys.extend(page.iter().map(|key| String::from_utf8_lossy(key).into_owned()));
        cursor = next;
        if cursor == 0 {
            return keys;
        }
    }
}

/// Lets one person through everything that is cached, twice, and has some of them changed.
async fn visit(app: &Router, number: u64) {
    let (tenant, email) = (
        format!("{MARK}-tenant-{number}"),
        format!("{MARK}.{number}@example.org"),
    );
    for _ in 0..2 {
        let _ = profile(&tenant, &email, number).await;
        answer(app, &format!("/cards/{tenant}/{email}")).await;
    }
    if number % 20 == 3 {
        change_profile(&tenant, &email).await.expect("a change");
    }
}

#[tokio::test]
async fn no_tenant_and_no_address_is_told_but_where_it_is_stored_as_a_value() {
    let log = Searched::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let recorder = PrometheusBuilder::new().build_recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);

    let redis = RedisServer::start();
    let builder = CacheManager::builder().redis_url(redis.url());
    // Few enough for some to be evicted.
    let builder = builder.max_entries(500).op_budget(Duration::from_secs(5));
    let manager = builder.build().await.expect("a manager");
    let bridge = Bridge::new(&manager);
    let app = Router::new()
        .route("/cards/{tenant}/{email}", get(card))
        .layer(cache_core::axum::layer(manager.clone()));
    let console = cache_core::axum::router(manager.clone());

    let total = people();
    let mut sizes = None;
    for part in 0..4 {
        manager
            .scope(async {
                for number in part * total / 4..(part + 1) * total / 4 {
                    visit(&app, number).await;
                }
            })
            .await;
        // Something that is stored under such a key and is no profile.
        let key = cache_core::key!("profile:{part:hash}:{total:hash}");
        manager
            .set(key, &format!("{MARK}@example.org"))
            .await
            .expect("a value");
        bridge.publish().await;
        let seen = seen(&manager, &console, &recorder.handle().render()).await;
        for (place, text) in &seen.texts {
            assert!(!text.contains(MARK), "{place} tells {text}");
        }
        // What was there after the first part is all there ever is.
        assert_eq!(*sizes.get_or_insert(seen.sizes), seen.sizes);
    }
    let stats = manager.stats();
    let of_profile = &stats.functions["personal::profile"];
    assert!(
        of_profile.loads >= total && of_profile.memory_hits > total / 2,
        "{stats}"
    );
    assert!(of_profile.evictions > 0 && of_profile.errors > 0, "{stats}");

    assert_eq!(
        stats.functions["personal::card"].loads,
        stats.functions["personal::card"].misses
    );

    let keys = all_keys(&redis).await;
    assert!(keys.len() as u64 > total, "{} keys", keys.len());
    assert!(keys.iter().all(|key| !key.contains(MARK)), "{keys:#?}");
    // Neither are there any in memory.
    assert_eq!(manager.invalidate(&format!("*{MARK}*")).await, 0);
    assert!(manager.invalidate("profile:*").await > total / 2);

    // What is said of a Redis that fails.
    redis.kill();
    manager
        .scope(async {
            for number in 0..20 {
                visit(&app, number).await;
            }
        })
        .await;
    let found = log.found.lock().expect("the log").clone();
    assert!(found.is_empty(), "{found:#?}");
    assert!(*log.bytes.lock().expect("a number") > 1000 * total);
}
