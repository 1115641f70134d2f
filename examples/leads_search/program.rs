//! What is shown: functions with attributes, the same entries by hand, the other kinds of entries, popular searches, health.

use std::fmt::Debug;
use std::io::Write;

use cache_core::CacheManager;
use serde_json::json;

use crate::leads::{Db, Filters, Lead, count_leads, get_lead, move_lead, search_leads};

pub async fn run(cache: &CacheManager, out: &mut impl Write) -> anyhow::Result<()> {
    cache.clear().await;
    // The functions use the cache that surrounds them.
    cache.scope(shown(cache, out)).await
}

async fn shown(cache: &CacheManager, out: &mut impl Write) -> anyhow::Result<()> {
    let db = Db::open()?;
    let show = |out: &mut dyn Write, what: &str, found: &dyn Debug| {
        writeln!(out, "  {what:34} queries: {}  {found:?}", db.queries())
    };
    let (all, london) = (
        Filters::default(),
        Filters {
            city: Some("London".to_owned()),
        },
    );
    let names = |leads: Vec<Lead>| leads.into_iter().map(|lead| lead.name).collect::<Vec<_>>();

    writeln!(out, "Functions with an attribute:")?;
    show(out, "a search", &names(search_leads(&db, "a", &all).await?))?;
    show(out, "the same again", &names(search_leads(&db, "a", &all).await?))?;
    show(out, "narrowed", &names(search_leads(&db, "a", &london).await?))?;
    show(out, "a lead", &get_lead(&db, 1).await?.map(|lead| lead.city))?;
    show(out, "leads in London", &count_leads(&db, "London").await?)?;
    move_lead(&db, 1, "Bath").await?;
    show(
        out,
        "the lead, moved",
        &get_lead(&db, 1).await?.map(|lead| lead.city),
    )?;
    show(
        out,
        "narrowed, after that",
        &names(search_leads(&db, "a", &london).await?),
    )?;
    show(
        out,
        "leads in London, after that",
        &count_leads(&db, "London").await?,
    )?;

    writeln!(out, "\nThe same entries by hand:")?;
    show(
        out,
        "a lead",
        &cache.leads().get::<Lead>(1).await.map(|lead| lead.name),
    )?;
    show(out, "a count", &cache.analytics().get::<u64>("London").await)?;
    let query = json!({ "text": "zuse", "city": null });
    cache.search().set(&query, &[4]).await?;
    show(
        out,
        "a search of one's own",
        &cache.search().get::<Vec<u64>>(&json!({ "text": "zuse" })).await,
    )?;
    cache.search().invalidate_all().await;
    show(
        out,
        "when all searches are gone",
        &cache.search().get::<Vec<u64>>(&query).await,
    )?;

    writeln!(out, "\nOther kinds of entries:")?;
    cache.user_prefs().set("ann@example.com", "dark").await?;
    show(
        out,
        "preferences",
        &cache.user_prefs().get::<String>("ann@example.com").await,
    )?;
    for what in ["suggestions for `A`", "the same suggestions again"] {
        let suggestions = cache.suggestions().get_or_fetch("A", || db.names("A")).await?;
        show(out, what, &suggestions)?;
    }

    writeln!(out, "\nWhat was searched for, hits as well:")?;
    cache.popular_searches().record("by hand");
    show(out, "the most popular", &cache.popular_searches().top(1).await)?;
    writeln!(out, "\nThe cache is {}.", cache.health().await.status)?;
    cache.clear().await;
    show(out, "when everything is gone", &cache.leads().exists(1).await)?;
    Ok(())
}
