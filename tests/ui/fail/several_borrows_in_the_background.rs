use std::borrow::Cow;

use cache_core::cache_search_results;

struct Db;

struct Guard<'a>(&'a Db);

#[cache_search_results(skip(guard, size), refresh_ahead = 0.8, soft_timeout = "1s", stale_while_revalidate = "5m")]
async fn search<'a>(
    guard: Guard<'a>,
    text: Cow<'_, str>,
    ids: &[u64],
    city: Option<&'a str>,
    (page, size): (&u8, &mut u8),
) -> Vec<u64> {
    let _ = (guard.0, text, city, page, size);
    ids.to_vec()
}

fn main() {}
