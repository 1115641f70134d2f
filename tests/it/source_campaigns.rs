//! Campaign status (contract, section 8): what its users know, on memory and on Redis.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use cache_core::{CacheManager, invalidate_cache};
use serde::{Deserialize, Serialize};
use tests::RedisServer;

use crate::places::{in_redis, managers, managers_with, over, until_stale};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Status {
    state: String,
    budget: u64,
}

#[derive(Debug, Clone, PartialEq)]
struct Down;

/// A platform that counts what it is asked.
#[derive(Default)]
struct Platform {
    asked: AtomicU32,
}

impl Platform {
    async fn answers(&self) -> Result<Status, Down> {
        let budget = u64::from(self.asked.fetch_add(1, SeqCst)) + 1;
        Ok(Status {
            state: "active".into(),
            budget,
        })
    }

    async fn is_down(&self) -> Result<Status, Down> {
        self.asked.fetch_add(1, SeqCst);
        Err(Down)
    }

    fn asked(&self) -> u32 {
        self.asked.load(SeqCst)
    }
}

async fn value() -> Result<u32, Down> {
    Ok(1)
}

#[tokio::test]
async fn a_value_is_fetched_once_and_then_found() {
    for cache in managers().await {
        let platform = Platform::default();
        for _ in 0..3 {
            let status = cache
                .get_or_fetch("campaign:123:status", || platform.answers())
                .ttl(Duration::from_secs(300))
                .await;
            assert_eq!(status.map(|status| status.budget), Ok(1));
        }
        assert_eq!(platform.asked(), 1, "{cache:?}");
    }
}

#[tokio::test]
async fn statuses_metrics_and_ad_sets_have_the_keys_that_are_known() {
    for cache in managers().await {
        let campaigns = cache.campaigns();
        assert_eq!(campaigns.status("c_1", "meta", value).await, Ok(1));
        assert_eq!(campaigns.metrics("c_1", "meta", value).await, Ok(1));
        assert_eq!(campaigns.adset_status("a_1", "tiktok", value).await, Ok(1));
        for key in [
            "campaign:c_1:meta:status",
            "campaign:c_1:meta:metrics",
            "adset:a_1:tiktok:status",
        ] {
            assert_eq!(cache.get(key).await, Some(1_u32), "{key} {cache:?}");
            let there = in_redis(&cache, &["EXISTS", "{key}"], key).await;
            assert!(there.is_none_or(|there| there == "1"), "{key}");
        }
    }
}

#[tokio::test]
async fn a_campaign_is_asked_for_once_for_each_platform() {
    for cache in managers().await {
        let platform = Platform::default();
        for _ in 0..2 {
            for name in ["meta", "tiktok", "google"] {
                let status = cache.campaigns().status(7, name, || platform.answers()).await;
                assert_eq!(status.map(|status| status.state).as_deref(), Ok("active"));
            }
        }
        assert_eq!(platform.asked(), 3, "{cache:?}");
    }
}

#[tokio::test]
async fn answers_are_fresh_for_five_minutes_whatever_the_default_is() {
    for cache in managers_with(|builder| builder.default_ttl(Duration::from_secs(3600))).await {
        let campaigns = cache.campaigns();
        campaigns.status(1, "meta", value).await.expect("a value");
        campaigns.metrics(1, "meta", value).await.expect("a value");
        campaigns.adset_status(1, "meta", value).await.expect("a value");
        for key in [
            "campaign:1:meta:status",
            "campaign:1:meta:metrics",
            "adset:1:meta:status",
        ] {
            let left = cache.ttl(key).await.expect("a ttl").as_secs();
            assert!((290..=300).contains(&left), "{key} {left} {cache:?}");
        }
    }
}

#[tokio::test]
async fn the_ttl_of_the_namespace_and_that_of_a_call_beat_the_five_minutes() {
    let minute = Duration::from_secs(60);
    for cache in managers_with(|builder| builder.namespace_ttl("campaign", minute)).await {
        let campaigns = cache.campaigns();
        campaigns.status(1, "meta", value).await.expect("a value");
        assert!(cache.ttl("campaign:1:meta:status").await.expect("a ttl") <= minute);
        campaigns
            .status(2, "meta", value)
            .ttl(Duration::from_secs(3600))
            .await
            .expect("a value");
        assert!(cache.ttl("campaign:2:meta:status").await.expect("a ttl") > Duration::from_secs(3500));
        campaigns.adset_status(1, "meta", value).await.expect("a value");
        assert!(cache.ttl("adset:1:meta:status").await.expect("a ttl") > minute);
    }
}

#[tokio::test]
async fn t1_the_stale_answer_is_served_when_the_platform_fails() {
    for cache in managers_with(|builder| builder.namespace_ttl("campaign", Duration::from_millis(30))).await {
        let platform = Platform::default();
        let fresh = cache
            .campaigns()
            .status("c_1", "meta", || platform.answers())
            .await;
        until_stale(&cache, "campaign:c_1:meta:status").await;
        let stale = cache
            .campaigns()
            .status("c_1", "meta", || platform.is_down())
            .await;
        assert_eq!(stale, fresh, "{cache:?}");
        assert_eq!(platform.asked(), 2);
        // It is left in peace for a while.
        let stale = cache
            .campaigns()
            .status("c_1", "meta", || platform.is_down())
            .await;
        assert_eq!(stale, fresh, "{cache:?}");
        assert_eq!(platform.asked(), 2);
        assert_eq!(cache.stats().total.stale_served, 2);
    }
}

#[tokio::test]
async fn an_error_is_raised_when_neither_cache_nor_platform_has_an_answer() {
    for cache in managers().await {
        let platform = Platform::default();
        for _ in 0..2 {
            let status = cache
                .campaigns()
                .status("c_1", "meta", || platform.is_down())
                .await;
            assert_eq!(status, Err(Down));
        }
        assert_eq!(platform.asked(), 2, "{cache:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn t1_a_stale_answer_is_served_for_a_day_or_as_long_as_the_call_says() {
    let cache = CacheManager::in_memory();
    let load = |answer: Result<u32, Down>| cache.campaigns().status(1, "meta", move || async { answer });
    assert_eq!(load(Ok(1)).await, Ok(1));
    tokio::time::advance(Duration::from_secs(300 + 23 * 3600)).await;
    assert_eq!(load(Err(Down)).await, Ok(1));
    assert_eq!(
        load(Err(Down)).stale_if_error(Duration::from_secs(60)).await,
        Err(Down)
    );
    tokio::time::advance(Duration::from_secs(3601)).await;
    assert_eq!(load(Err(Down)).await, Err(Down));
}

#[tokio::test]
async fn a_campaign_is_invalidated_on_one_platform_or_on_all() {
    for cache in managers().await {
        let campaigns = cache.campaigns();
        for platform in ["meta", "tiktok"] {
            campaigns.status("c_1", platform, value).await.expect("a value");
            campaigns.metrics("c_1", platform, value).await.expect("a value");
        }
        campaigns.status("c_12", "meta", value).await.expect("a value");
        campaigns
            .adset_status("c_1", "meta", value)
            .await
            .expect("a value");

        assert_eq!(campaigns.invalidate("c_1", Some("meta")).await, 2, "{cache:?}");
        assert!(!cache.exists("campaign:c_1:meta:status").await);
        assert!(cache.exists("campaign:c_1:tiktok:status").await);
        assert_eq!(campaigns.invalidate("c_1", None).await, 2, "{cache:?}");
        assert_eq!(campaigns.invalidate("c_1", None).await, 0);
        assert_eq!(campaigns.invalidate("c_1", Some("meta")).await, 0);
        assert!(cache.exists("campaign:c_12:meta:status").await);
        assert!(cache.exists("adset:c_1:meta:status").await);
    }
}

#[tokio::test]
async fn k4_an_id_that_looks_like_a_pattern_is_only_an_id() {
    for cache in managers().await {
        let campaigns = cache.campaigns();
        for id in ["*", "?", "[a-z]", "a", "a:b", ""] {
            campaigns.status(id, "*", value).await.expect("a value");
            campaigns.status(id, "meta", value).await.expect("a value");
        }
        assert_eq!(campaigns.invalidate("*", None).await, 2, "{cache:?}");
        assert_eq!(campaigns.invalidate("?", Some("*")).await, 1, "{cache:?}");
        assert_eq!(campaigns.invalidate("[a-z]", None).await, 2);
        assert_eq!(campaigns.invalidate("a", None).await, 2, "{cache:?}");
        assert_eq!(campaigns.invalidate("a:b", None).await, 2);
        assert_eq!(campaigns.invalidate("", None).await, 2);
        assert_eq!(cache.invalidate("campaign:*").await, 1);
    }
}

#[tokio::test]
async fn all_campaigns_are_invalidated_by_a_pattern() {
    for cache in managers().await {
        for id in 0..5 {
            cache
                .campaigns()
                .status(id, "meta", value)
                .await
                .expect("a value");
        }
        cache
            .campaigns()
            .adset_status(1, "meta", value)
            .await
            .expect("a value");
        assert_eq!(cache.invalidate("campaign:*").await, 5, "{cache:?}");
        assert!(cache.exists("adset:1:meta:status").await);
    }
}

#[tokio::test]
async fn t2_an_invalidated_answer_is_not_served_stale() {
    for cache in managers_with(|builder| builder.namespace_ttl("campaign", Duration::from_millis(30))).await {
        let platform = Platform::default();
        for by_platform in [Some("meta"), None] {
            let status = cache.campaigns().status(1, "meta", || platform.answers()).await;
            assert!(status.is_ok());
            until_stale(&cache, "campaign:1:meta:status").await;
            cache.campaigns().invalidate(1, by_platform).await;
            let status = cache.campaigns().status(1, "meta", || platform.is_down()).await;
            assert_eq!(status, Err(Down), "{cache:?}");
        }
    }
}

#[tokio::test]
async fn g1_what_is_fetched_while_it_is_invalidated_is_not_stored() {
    for cache in managers().await {
        for by_platform in [Some("meta"), None] {
            let (asked, go) = (tokio::sync::Notify::new(), tokio::sync::Notify::new());
            let slow = || async {
                asked.notify_one();
                go.notified().await;
                Ok::<_, Down>(1)
            };
            let update = async {
                asked.notified().await;
                let gone = cache.campaigns().invalidate(1, by_platform).await;
                go.notify_one();
                gone
            };
            let (status, gone) =
                tokio::join!(cache.campaigns().status(1, "meta", slow).into_future(), update);
            // There was nothing yet but the fetch.
            assert_eq!((status, gone), (Ok(1), 0), "{by_platform:?} {cache:?}");
            assert!(
                !cache.exists("campaign:1:meta:status").await,
                "{by_platform:?} {cache:?}"
            );
        }
    }
}

#[tokio::test]
async fn bypass_neither_reads_nor_writes() {
    for cache in managers().await {
        let platform = Platform::default();
        let direct = cache.campaigns().bypass(true);
        direct
            .status(1, "meta", || platform.answers())
            .await
            .expect("an answer");
        assert!(!cache.exists("campaign:1:meta:status").await, "{cache:?}");
        let cached = cache.campaigns().bypass(false);
        cached
            .status(1, "meta", || platform.answers())
            .await
            .expect("an answer");
        let asked = direct.status(1, "meta", || platform.answers()).await;
        assert_eq!(asked.map(|status| status.budget), Ok(3), "{cache:?}");
        let found = cached.status(1, "meta", || platform.answers()).await;
        assert_eq!(found.map(|status| status.budget), Ok(2));
        assert_eq!(direct.status(1, "meta", || platform.is_down()).await, Err(Down));
    }
}

#[tokio::test]
async fn l3_an_unreachable_redis_is_passed_by() {
    let server = RedisServer::start();
    let cache = over(&server).await;
    server.kill();
    let platform = Platform::default();
    for id in 0..3 {
        let status = cache.campaigns().status(id, "meta", || platform.answers()).await;
        assert!(status.is_ok());
    }
    assert_eq!(platform.asked(), 3);
    // What cannot be told to Redis is told to memory.
    assert_eq!(cache.campaigns().invalidate(1, Some("meta")).await, 1);
}

#[tokio::test]
async fn hits_and_misses_are_counted() {
    for cache in managers().await {
        for _ in 0..4 {
            cache.campaigns().status(1, "meta", value).await.expect("a value");
        }
        let total = cache.stats().total;
        assert_eq!(
            (total.memory_hits + total.redis_hits, total.misses),
            (3, 1),
            "{cache:?}"
        );
        assert!((total.hit_ratio() - 0.75).abs() < 1e-9);
    }
}

struct Budgets {
    platform: Platform,
}

impl Budgets {
    #[invalidate_cache("campaign:{id}:{platform}:*")]
    async fn change(&self, id: &str, platform: &str, _budget: u64) -> Result<Status, Down> {
        self.platform.answers().await
    }
}

#[tokio::test]
async fn an_update_invalidates_the_campaign_it_changes() {
    for cache in managers().await {
        let budgets = Budgets {
            platform: Platform::default(),
        };
        for platform in ["meta", "google"] {
            let status = cache
                .campaigns()
                .status("c_1", platform, || budgets.platform.answers())
                .await;
            assert!(status.is_ok());
        }
        cache
            .scope(budgets.change("c_1", "meta", 5))
            .await
            .expect("changed");
        assert!(!cache.exists("campaign:c_1:meta:status").await, "{cache:?}");
        assert!(cache.exists("campaign:c_1:google:status").await);
    }
}
