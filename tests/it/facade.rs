//! What recorders behind the facade `metrics` are told.

use std::collections::BTreeMap;
use std::time::Duration;

use cache_core::metrics::{Bridge, LOAD_BOUNDS};
use cache_core::{CacheManager, cache_result, invalidate_cache};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use metrics_util::MetricKind;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

#[cache_result(key = "facade:{id}")]
async fn measured(id: u64) -> Result<u64, String> {
    tokio::time::sleep(Duration::from_millis(id)).await;
    if id == 404 {
        Err("no such thing".to_owned())
    } else {
        Ok(id)
    }
}

#[invalidate_cache(measured(id))]
async fn unmeasure(id: u64) {
    let _ = id;
}

/// What was recorded, by name and labels.
fn recorded(snapshotter: &Snapshotter) -> BTreeMap<(MetricKind, String), DebugValue> {
    let series = snapshotter.snapshot().into_vec().into_iter();
    series
        .map(|(key, _, _, value)| {
            let labels: Vec<String> = key
                .key()
                .labels()
                .map(|label| format!("{}={}", label.key(), label.value()))
                .collect();
            let name = format!("{}[{}]", key.key().name(), labels.join(" "));
            ((key.kind(), name), value)
        })
        .collect()
}

const OF_MEASURED: &str = "function=it::facade::measured template=facade:{id}";

#[tokio::test(start_paused = true)]
async fn a_recorder_is_told_what_was_counted_and_the_time_of_each_load() {
    let recorder = DebuggingRecorder::new();
    let _current = metrics::set_default_local_recorder(&recorder);
    let cache = CacheManager::in_memory();
    let bridge = Bridge::new(&cache);
    cache
        .scope(async {
            for id in [1, 1, 3, 3, 404] {
                let _ = measured(id).await;
            }
            unmeasure(1).await;
        })
        .await;
    cache.set("direct", &1).await.expect("a value");
    bridge.publish().await;
    let told = recorded(&recorder.snapshotter());
    let counter = |name: &str, labels: &str| told.get(&(MetricKind::Counter, format!("{name}[{labels}]")));
    for (name, tier, expected) in [
        ("cache_hits_total", " tier=memory", 2),
        ("cache_hits_total", " tier=redis", 0),
        ("cache_misses_total", "", 3),
        ("cache_loads_total", "", 3),
        ("cache_errors_total", "", 1),
        ("cache_coalesced_total", "", 0),
        ("cache_stale_served_total", "", 0),
        ("cache_evictions_total", "", 0),
        ("cache_bytes_total", "", 0),
    ] {
        let value = counter(name, &format!("{OF_MEASURED}{tier}"));
        assert_eq!(value, Some(&DebugValue::Counter(expected)), "{name}{tier}");
    }
    let invalidations = counter(
        "cache_invalidations_total",
        "function=it::facade::unmeasure template=",
    );
    assert_eq!(invalidations, Some(&DebugValue::Counter(1)));
    let times = told.get(&(
        MetricKind::Histogram,
        format!("cache_load_seconds[{OF_MEASURED}]"),
    ));
    let Some(DebugValue::Histogram(times)) = times else {
        panic!("{told:?}");
    };
    let mut times: Vec<f64> = times
        .iter()
        .map(|time| (time.into_inner() * 1000.0).round())
        .collect();
    times.sort_by(f64::total_cmp);
    assert_eq!(times, [1.0, 3.0, 404.0]);
    let entries = told.get(&(MetricKind::Gauge, "cache_entries[]".to_owned()));
    assert_eq!(entries, Some(&DebugValue::Gauge(2.0.into())));
}

#[tokio::test(start_paused = true)]
async fn a_load_is_told_once_and_the_series_do_not_grow_with_keys() {
    let recorder = DebuggingRecorder::new();
    let _current = metrics::set_default_local_recorder(&recorder);
    let cache = CacheManager::in_memory();
    let bridge = Bridge::new(&cache).label("cache", "first");
    let labels = format!("cache=first {OF_MEASURED}");
    let mut series = None;
    let mut loads = 0;
    for round in 0..4 {
        cache
            .scope(async {
                for id in 0..50 {
                    measured(1000 * round + id).await.expect("a value");
                }
            })
            .await;
        bridge.publish().await;
        bridge.publish().await;
        let told = recorded(&recorder.snapshotter());
        // The recorder gives the times that it was told since the last look.
        if let Some(DebugValue::Histogram(times)) =
            told.get(&(MetricKind::Histogram, format!("cache_load_seconds[{labels}]")))
        {
            loads += times.len();
        }
        let names: Vec<_> = told.into_keys().collect();
        assert!(names.iter().all(|(_, name)| name.contains("[cache=first")));
        assert_eq!(*series.get_or_insert_with(|| names.clone()), names);
    }
    assert_eq!(loads, 200);
}

#[tokio::test(start_paused = true)]
async fn a_bridge_publishes_by_itself_until_the_cache_is_closed() {
    let recorder = DebuggingRecorder::new();
    let _current = metrics::set_default_local_recorder(&recorder);
    let cache = CacheManager::in_memory();
    // A look takes what was told since the last one.
    let gauges = || {
        let mut told = recorded(&recorder.snapshotter());
        ["cache_entries[]", "cache_healthy[]"].map(|name| {
            match told.remove(&(MetricKind::Gauge, name.to_owned())) {
                Some(DebugValue::Gauge(value)) => value.into_inner(),
                other => panic!("{name} is {other:?}"),
            }
        })
    };
    let publishing = Bridge::new(&cache).every(Duration::from_secs(10));
    let closing = async {
        cache.set("k", &1).await.expect("a value");
        tokio::time::sleep(Duration::from_secs(15)).await;
        assert_eq!(gauges().map(|value| value.to_string()), ["1", "1"]);
        cache.close().await;
    };
    tokio::join!(publishing, closing);
    assert_eq!(gauges().map(|value| value.to_string()), ["0", "0"]);
}

/// The samples of a text for Prometheus, by name and sorted labels.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').expect("a sample");
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let mut labels: Vec<&str> = labels.trim_end_matches('}').split("\",").collect();
            labels
                .iter_mut()
                .for_each(|label| *label = label.trim_end_matches('"'));
            labels.sort_unstable();
            (format!("{name}{labels:?}"), value.parse().expect("a number"))
        })
        .collect()
}

#[tokio::test]
async fn what_an_exporter_tells_prometheus_is_what_the_router_tells() {
    let is_load_time = Matcher::Full("cache_load_seconds".to_owned());
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(is_load_time, &LOAD_BOUNDS)
        .expect("bounds")
        .build_recorder();
    let _current = metrics::set_default_local_recorder(&recorder);
    let cache = CacheManager::in_memory();
    cache
        .scope(async {
            for id in [0, 7, 7, 30, 404] {
                let _ = measured(id).await;
            }
        })
        .await;
    Bridge::new(&cache).publish().await;
    let exported = samples(&recorder.handle().render());

    let router = cache_core::axum::router::<()>(cache.clone());
    let request = axum::http::Request::get("/metrics")
        .body(axum::body::Body::empty())
        .expect("a request");
    let response = tower::ServiceExt::oneshot(router, request)
        .await
        .expect("a response");
    let body = axum::body::to_bytes(response.into_body(), usize::MAX)
        .await
        .expect("a body");
    let routed = samples(std::str::from_utf8(&body).expect("text"));

    // Of a histogram that nothing was told of, an exporter tells nothing.
    let is_empty = |name: &str| name.starts_with("cache_load_seconds") && !exported.contains_key(name);
    let named = |name: &String| !is_empty(name) || name.contains("it::facade::measured");
    let routed: BTreeMap<String, f64> = routed.into_iter().filter(|(name, _)| named(name)).collect();
    assert_eq!(
        exported.keys().collect::<Vec<_>>(),
        routed.keys().collect::<Vec<_>>()
    );
    for (name, value) in &routed {
        assert!(
            (exported[name] - value).abs() < 1e-9,
            "{name}: {} and {value}",
            exported[name]
        );
    }
    assert!(exported.len() > 100, "{exported:#?}");
}
