//! One route of a web service under load: what a request costs the server when its response is cached, in several ways, and
//! when it is not. `wrk` asks, from another process; without it there is no table. What the server executes for a request is
//! counted apart, with one connection that asks again and again, as `wrk` and the system have no part in that.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::http::Request;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use axum_response_cache::CacheLayer;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tower_service::Service;

use crate::Options;
use crate::data::{CAPACITY, Item, items};
use crate::instructions::{self, Counted, OPERATIONS};
use crate::measure::{callgrind, process_cpu, start_counting, stop_counting, thread_cpu};
use crate::table::quantile;

const HOUR: Duration = Duration::from_secs(3_600);
const CONNECTIONS: usize = 64;
/// How many pages are asked for, in turn.
const PAGES: usize = 256;
/// How many items there are in a page.
const COUNTS: [u64; 2] = [1, 100];

/// What the route answers with: so many items.
type Asked = Path<(u64, u64)>;

async fn not_cached(Path((count, id)): Asked) -> Json<Vec<Item>> {
    Json(items(id, count))
}

#[cfg(feature = "ours")]
#[cache_core::cache_response(key = "page:{count}:{id}", ttl = "1h")]
async fn whole(Path((count, id)): Asked) -> Json<Vec<Item>> {
    Json(items(id, count))
}

#[cfg(feature = "ours")]
async fn value(Path((count, lead_id)): Asked) -> Json<Arc<Vec<Item>>> {
    #[cache_core::cache_lead_data(skip(count), ttl = "1h")]
    async fn of_lead(count: u64, lead_id: u64) -> Arc<Vec<Item>> {
        Arc::new(items(lead_id, count))
    }
    // The id alone is the key.
    Json(of_lead(count, lead_id + count * PAGES as u64).await)
}

async fn moka_value(Path((count, id)): Asked) -> Json<Arc<Vec<Item>>> {
    static CACHE: LazyLock<moka::future::Cache<(u64, u64), Arc<Vec<Item>>>> = LazyLock::new(bounded);
    Json(
        CACHE
            .get_with((count, id), async { Arc::new(items(id, count)) })
            .await,
    )
}

/// As much by hand as it takes to serialise once.
async fn moka_bytes(Path((count, id)): Asked) -> impl IntoResponse {
    static CACHE: LazyLock<moka::future::Cache<(u64, u64), Bytes>> = LazyLock::new(bounded);
    let make = async { Bytes::from(serde_json::to_vec(&items(id, count)).expect("JSON")) };
    (
        [(CONTENT_TYPE, "application/json")],
        CACHE.get_with((count, id), make).await,
    )
}

fn bounded<V: Clone + Send + Sync + 'static>() -> moka::future::Cache<(u64, u64), V> {
    let builder = moka::future::Cache::builder();
    builder.max_capacity(CAPACITY as u64).time_to_live(HOUR).build()
}

/// A candidate, and the first part of its paths.
struct Candidate {
    name: &'static str,
    path: &'static str,
}

const fn candidate(name: &'static str, path: &'static str) -> Candidate {
    Candidate { name, path }
}

const CANDIDATES: &[Candidate] = &[
    #[cfg(feature = "ours")]
    candidate("ours: `#[cache_response]`", "whole"),
    #[cfg(feature = "ours")]
    candidate("ours: `#[cache_response]` and `layer`", "layered"),
    #[cfg(feature = "ours")]
    candidate("ours: `#[cache_lead_data]`", "value"),
    candidate("axum-response-cache: `CacheLayer`", "peer"),
    candidate("moka by hand: bytes", "moka-bytes"),
    candidate("moka by hand: values", "moka-value"),
    candidate("not cached", "plain"),
];

fn routes() -> Router {
    let route = |name: &str| format!("/{name}/{{count}}/{{id}}");
    let peer = get(not_cached).layer(CacheLayer::with_lifespan(HOUR));
    let router = Router::new()
        .route(&route("peer"), peer)
        .route(&route("moka-bytes"), get(moka_bytes))
        .route(&route("moka-value"), get(moka_value))
        .route(&route("plain"), get(not_cached));
    #[cfg(feature = "ours")]
    let router = {
        let cache = cache_core::CacheManager::in_memory();
        cache.install();
        let layered = get(whole).layer(cache_core::axum::layer(cache));
        router
            .route(&route("whole"), get(whole))
            .route(&route("layered"), layered)
            .route(&route("value"), get(value))
    };
    router
}

/// What a request costs without the network: nanoseconds, allocations and bytes. Each is answered by the routes as they are.
fn without_network(runtime: &Runtime, routes: &Router, candidate: &Candidate, count: u64) -> (f64, f64, f64) {
    const REQUESTS: usize = 20_000;
    let request = |page: usize| {
        let path = format!("/{}/{count}/{}", candidate.path, page % PAGES);
        Request::get(path).body(Body::empty()).expect("a request")
    };
    let ask = |request: Request<Body>| {
        let answer = routes.clone().call(request);
        runtime.block_on(async { assert!(answer.await.expect("infallible").status().is_success()) });
    };
    (0..2 * PAGES).for_each(|page| ask(request(page)));
    // They are made beforehand: the server of a real one makes it in its own way.
    let requests: Vec<Request<Body>> = (0..PAGES).map(request).collect();
    start_counting();
    requests.into_iter().for_each(ask);
    let (allocations, bytes) = stop_counting();
    let requests: Vec<Request<Body>> = (0..REQUESTS).map(request).collect();
    let before = thread_cpu();
    requests.into_iter().for_each(ask);
    let cpu = (thread_cpu() - before).as_secs_f64() * 1e9;
    let pages = PAGES as f64;
    (
        cpu / REQUESTS as f64,
        allocations as f64 / pages,
        bytes as f64 / pages,
    )
}

/// What a run of a candidate came to.
struct Sample {
    requests_per_second: f64,
    /// CPU of the server for a request, in microseconds.
    cpu: f64,
}

/// Prints the tables.
pub fn run(options: &Options) {
    if Command::new("wrk").arg("-v").output().is_err() {
        println!("\n#### Responses: `wrk` is not installed, so there is nobody to ask\n");
        return;
    }
    // One thread, so that the one that asks has another core to itself.
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let at = runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let at = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, routes()).await });
        at
    });
    let effort = options.effort(5, 2_000);
    let routes = routes();
    let counted = instructions::count(&["responses-instructions"]);
    for count in COUNTS {
        // In turn, so that what else the machine does concerns all of them.
        let mut samples = vec![Vec::new(); CANDIDATES.len()];
        for _ in 0..5 {
            for (samples, candidate) in samples.iter_mut().zip(CANDIDATES) {
                samples.push(without_network(&runtime, &routes, candidate, count));
            }
        }
        let rows = samples.into_iter().map(|mut samples| {
            samples.sort_by(|a, b| a.0.total_cmp(&b.0));
            samples[2]
        });
        let rows: Vec<_> = rows.collect();
        table(at, count, effort.rounds, effort.slice, &rows, &counted);
    }
}

fn table(
    at: SocketAddr,
    count: u64,
    rounds: usize,
    slice: Duration,
    alone: &[(f64, f64, f64)],
    counted: &Counted,
) {
    let mut samples: BTreeMap<usize, Vec<Sample>> = BTreeMap::new();
    // What there is to be cached is cached before it is counted.
    for candidate in CANDIDATES.iter().filter(|_| rounds > 0) {
        ask(at, candidate, count, Duration::from_secs(1));
    }
    for round in 0..rounds {
        for step in 0..CANDIDATES.len() {
            let index = (round + step) % CANDIDATES.len();
            let before = process_cpu();
            let (requests, requests_per_second) = ask(at, &CANDIDATES[index], count, slice);
            let cpu = (process_cpu() - before).as_secs_f64() * 1e6 / requests;
            let sample = Sample {
                requests_per_second,
                cpu,
            };
            samples.entry(index).or_default().push(sample);
        }
    }
    let body = serde_json::to_vec(&items(0, count)).expect("JSON").len();
    println!(
        "\n#### Responses of {body} bytes, {CONNECTIONS} connections, a server with 1 thread, {PAGES} pages\n"
    );
    println!(
        "Medians of {rounds} interleaved rounds of {} s. Instructions are what the server executes for one request, the system's \
         apart. The last three columns are without the network: routing, the handler and what caches, for one request.\n",
        slice.as_secs()
    );
    println!(
        "| candidate | instructions | requests/s | × the first (95 in 100) | server CPU, µs per request | routes alone, ns | \
         allocations | bytes |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|");
    for (index, (candidate, (cpu, allocations, bytes))) in CANDIDATES.iter().zip(alone).enumerate() {
        let of = |value: fn(&Sample) -> f64| {
            samples
                .get(&index)
                .map_or(f64::NAN, |samples| quantile(samples.iter().map(value), 0.5))
        };
        let instructions = counted.get(&label(candidate, count));
        println!(
            "| {} | {} | {:.0} | {} | {:.2} | {cpu:.0} | {allocations:.1} | {bytes:.0} |",
            candidate.name,
            instructions.map_or_else(|| "-".to_owned(), |it| format!("{it:.0}")),
            of(|sample| sample.requests_per_second),
            of_first(&samples, index),
            of(|sample| sample.cpu)
        );
    }
}

/// How many requests a candidate answers for each of the first one: the median of the rounds' ratios, and between which two it is
/// in 95 of 100 draws from these rounds.
fn of_first(samples: &BTreeMap<usize, Vec<Sample>>, index: usize) -> String {
    const DRAWS: usize = 1_000;
    let (Some(first), Some(samples)) = (samples.get(&0), samples.get(&index)) else {
        return "-".to_owned();
    };
    let ratio = |(of, to): (&Sample, &Sample)| of.requests_per_second / to.requests_per_second;
    let ratios: Vec<f64> = samples.iter().zip(first).map(ratio).collect();
    let median = |ratios: &[f64]| quantile(ratios.iter().copied(), 0.5);
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut drawn = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        ratios[(seed >> 33) as usize % ratios.len()]
    };
    let draws: Vec<f64> = (0..DRAWS)
        .map(|_| median(&ratios.iter().map(|_| drawn()).collect::<Vec<_>>()))
        .collect();
    let at = |part: f64| quantile(draws.iter().copied(), part);
    format!("{:.2} ({:.2}–{:.2})", median(&ratios), at(0.025), at(0.975))
}

/// Has `wrk` ask for a while. Gives how many requests were answered, and how many in a second.
fn ask(at: SocketAddr, candidate: &Candidate, count: u64, for_how_long: Duration) -> (f64, f64) {
    let script = std::env::temp_dir().join(format!("responses_{}.lua", std::process::id()));
    let text = format!(
        "local pages = {{}}
        local next = 0
        init = function(args)
            for page = 0, {PAGES} - 1 do
                pages[page] = wrk.format('GET', '/{}/{count}/' .. page)
            end
        end
        request = function()
            next = (next + 1) % {PAGES}
            return pages[next]
        end",
        candidate.path
    );
    std::fs::write(&script, text).expect("a file");
    let output = Command::new("wrk")
        .args([
            "-t1",
            &format!("-c{CONNECTIONS}"),
            &format!("-d{}s", for_how_long.as_secs().max(1)),
            "-s",
        ])
        .arg(&script)
        .arg(format!("http://{at}/"))
        .output()
        .expect("wrk runs");
    let _ = std::fs::remove_file(&script);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        !said.contains("Non-2xx") && !said.contains("Socket errors"),
        "{said}"
    );
    let number =
        |line: Option<&str>, at: usize| -> Option<f64> { line?.split_whitespace().nth(at)?.parse().ok() };
    let requests = number(said.lines().find(|line| line.contains(" requests in ")), 0);
    let per_second = number(said.lines().find(|line| line.starts_with("Requests/sec")), 1);
    requests
        .zip(per_second)
        .unwrap_or_else(|| panic!("what wrk says is not understood: {said}"))
}

/// What the instructions of a candidate are filed under.
fn label(candidate: &Candidate, count: u64) -> String {
    format!("{count} {}", candidate.path)
}

/// What runs under callgrind: the server, for one client after the other.
pub fn instructions() {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let program = std::env::current_exe().expect("this program has a path");
    let (listener, at) = runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let at = listener.local_addr().expect("an address");
        (listener, at)
    });
    runtime.spawn(async move { axum::serve(listener, routes()).await });
    // A process of its own, which is not counted.
    let asked = |candidate: &Candidate, count: u64, requests: u64| {
        let mut client = Command::new(&program);
        client.arg("responses-client").arg(at.to_string()).args([
            candidate.path,
            &count.to_string(),
            &requests.to_string(),
        ]);
        let status = runtime.block_on(runtime.spawn_blocking(move || client.status()));
        assert!(
            status.is_ok_and(|status| status.is_ok_and(|status| status.success())),
            "the client had all its answers"
        );
    };
    for count in COUNTS {
        for candidate in CANDIDATES {
            asked(candidate, count, 2 * PAGES as u64);
            let name = CString::new(label(candidate, count)).expect("no zero byte in it");
            callgrind(&name, || asked(candidate, count, OPERATIONS));
        }
    }
}

/// Asks again and again over one connection.
pub fn client(options: &Options) {
    let word = |at: usize| {
        options
            .word(at)
            .expect("usage: responses-client ADDRESS PATH ITEMS REQUESTS")
    };
    let requests: usize = word(4).parse().expect("a number of requests");
    let mut connection = TcpStream::connect(word(1)).expect("the server is there");
    connection.set_nodelay(true).expect("a connection over TCP");
    let mut answers = BufReader::new(connection.try_clone().expect("a connection"));
    let mut line = String::new();
    for page in 0..requests {
        let request = format!(
            "GET /{}/{}/{} HTTP/1.1\r\nHost: localhost\r\n\r\n",
            word(2),
            word(3),
            page % PAGES
        );
        connection
            .write_all(request.as_bytes())
            .expect("the server listens");
        let mut length = 0;
        loop {
            line.clear();
            answers.read_line(&mut line).expect("the server answers");
            let (name, value) = match line.trim_end() {
                "" => break,
                line => line.split_once(": ").unwrap_or((line, "")),
            };
            assert!(!name.starts_with("HTTP/") || name.contains(" 200 "), "{name}");
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().expect("a length");
            }
        }
        assert!(length > 0, "a page is not empty");
        let mut body = vec![0; length];
        answers.read_exact(&mut body).expect("the whole body");
    }
}
