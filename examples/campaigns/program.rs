//! What is shown: hits, an outage that nobody notices, a budget that changes, and the cache passed by.

use std::fmt::Debug;
use std::io::Write;
use std::time::Duration;

use cache_core::{CacheManager, CacheManagerBuilder};
use tokio::time::sleep;

use crate::platform::{Metrics, Platform, Status};

/// Answers are fresh for a short time, so that one gets old while somebody watches.
const FRESH: Duration = Duration::from_secs(2);

/// What this program wants of its cache.
pub fn settings(builder: CacheManagerBuilder) -> CacheManagerBuilder {
    builder.key_prefix("campaigns").namespace_ttl("campaign", FRESH)
}

pub async fn run(cache: &CacheManager, out: &mut impl Write) -> anyhow::Result<()> {
    cache.clear().await;
    let platform = Platform::start().await?;
    let show = |out: &mut dyn Write, what: &str, answer: &dyn Debug| {
        writeln!(out, "  {what:34} requests: {}  {answer:?}", platform.requests())
    };
    let campaigns = cache.campaigns();
    let status = || platform.ask::<Status>("/meta/campaigns/c_1/status");

    writeln!(out, "The platform is asked once for each answer:")?;
    show(
        out,
        "status of c_1 on meta",
        &campaigns.status("c_1", "meta", status).await?,
    )?;
    show(
        out,
        "the same again",
        &campaigns.status("c_1", "meta", status).await?,
    )?;
    let metrics = || platform.ask::<Metrics>("/meta/campaigns/c_1/metrics");
    show(
        out,
        "metrics of c_1 on meta",
        &campaigns.metrics("c_1", "meta", metrics).await?,
    )?;
    let adset = || platform.ask::<Status>("/meta/adsets/a_1/status");
    show(
        out,
        "status of ad set a_1",
        &campaigns.adset_status("a_1", "meta", adset).await?,
    )?;

    writeln!(out, "\nIt goes down, and the answer gets older than its TTL:")?;
    platform.is_down(true);
    sleep(FRESH + FRESH / 2).await;
    show(
        out,
        "status: the stale value",
        &campaigns.status("c_1", "meta", status).await?,
    )?;
    show(
        out,
        "again: it is left in peace",
        &campaigns.status("c_1", "meta", status).await?,
    )?;
    let unknown = || platform.ask::<Status>("/meta/campaigns/c_2/status");
    let error = campaigns
        .status("c_2", "meta", unknown)
        .await
        .map_err(|error| error.to_string());
    show(out, "a campaign never asked for", &error)?;
    writeln!(
        out,
        "  answers past their TTL: {}",
        cache.stats().total.stale_served
    )?;

    writeln!(
        out,
        "\nIt is back. A budget changes, so what was known of the campaign there goes:"
    )?;
    platform.is_down(false);
    platform.change_budget("c_1", "meta", 250).await?;
    show(
        out,
        "entries invalidated",
        &campaigns.invalidate("c_1", Some("meta")).await,
    )?;
    show(
        out,
        "status of c_1 on meta",
        &campaigns.status("c_1", "meta", status).await?,
    )?;
    show(
        out,
        "entries on all platforms",
        &campaigns.invalidate("c_1", None).await,
    )?;
    let adset = cache.exists("adset:a_1:meta:status").await;
    show(out, "its ad sets are still known", &adset)?;

    writeln!(out, "\nWhoever wants to know for sure passes the cache by:")?;
    let direct = campaigns.bypass(true);
    show(
        out,
        "status, asked directly",
        &direct.status("c_1", "meta", status).await?,
    )?;
    show(out, "and again", &direct.status("c_1", "meta", status).await?)?;
    cache.clear().await;
    Ok(())
}
