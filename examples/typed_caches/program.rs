//! What is shown: users found both ways, batches and their limit, a codec of one's own, and an entry that cannot be read.

use std::fmt::Debug;
use std::io::Write;

use cache_core::{CacheManager, UserIdToUuid, UserUuidToId};

use crate::caches::SessionToken;
use crate::users::{USERS, Users, uuid_of};

pub async fn run(cache: &CacheManager, out: &mut impl Write) -> anyhow::Result<()> {
    cache.clear().await;
    let users = Users::open()?;
    let show = |out: &mut dyn Write, what: &str, found: &dyn Debug| {
        writeln!(out, "  {what:34} queries: {}  {found:?}", users.queries())
    };

    writeln!(out, "A user is looked up once, and then known both ways:")?;
    show(
        out,
        "the number of a UUID",
        &users.id_of(cache, uuid_of(7)).await?,
    )?;
    show(out, "the same again", &users.id_of(cache, uuid_of(7)).await?)?;
    show(
        out,
        "the UUID of number 7",
        &cache.of::<UserIdToUuid>().get(&7).await,
    )?;

    writeln!(out, "\nA batch takes up to 100 entries, and says so:")?;
    let uuids: Vec<_> = (1..=USERS).map(uuid_of).collect();
    let error = cache.of::<UserUuidToId>().get_many(&uuids).await;
    show(out, "250 at once", &error.map_err(|error| error.to_string()))?;
    show(out, "250 in pieces", &users.ids_of(cache, &uuids).await?.len())?;
    show(out, "the same again", &users.ids_of(cache, &uuids).await?.len())?;

    writeln!(out, "\nAn update invalidates what is known of the user:")?;
    show(out, "a profile", &users.profile_of(cache, 7).await?)?;
    show(out, "the same again", &users.profile_of(cache, 7).await?)?;
    users.rename(cache, 7, "Grace Hopper").await?;
    show(out, "after the update", &users.profile_of(cache, 7).await?)?;

    writeln!(
        out,
        "\nSessions are written as plain text, and what is no UUID is no session:"
    )?;
    let sessions = cache.of::<SessionToken>();
    sessions.set("token_abc123", &uuid_of(7)).await?;
    show(out, "the user of a session", &sessions.get("token_abc123").await)?;
    cache.set("session:token:token_abc123", "nonsense").await?;
    show(
        out,
        "is the corrupt one there",
        &sessions.exists("token_abc123").await,
    )?;
    show(
        out,
        "the user of the corrupt one",
        &sessions.get("token_abc123").await,
    )?;
    show(out, "is it still there", &sessions.exists("token_abc123").await)?;

    writeln!(out, "\nThe cache is {}.", cache.health().await.status)?;
    cache.clear().await;
    Ok(())
}
