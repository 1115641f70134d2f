#![deny(warnings)]

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use cache_core::{CacheKey, SharedError, cache_lead_data, cache_result, cache_search_results};

struct Db;

#[derive(Debug)]
struct DbError;

impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no database")
    }
}

impl std::error::Error for DbError {}

impl From<SharedError> for DbError {
    fn from(_: SharedError) -> Self {
        Self
    }
}

type ApiResult<T, E = anyhow::Error> = Result<T, E>;

#[cache_result(
    key = "score:{city}:{part}",
    skip(db, limit),
    stale_if_error = "1h",
    stale_while_revalidate = 300,
    refresh_ahead = 0.8,
    soft_timeout = "500ms",
    hard_timeout = "5s",
    jitter = 0.1,
    none_ttl = 30,
    cache_if = |score| *score < limit,
    ttl_from = |score| Duration::from_secs(*score),
    tags = ["city:{city}", "score:{part}:{city:hash}", "scores"],
    bypass = limit == 0,
    refresh = limit == 1
)]
async fn score<T: CacheKey + Send + 'static>(
    db: Arc<Db>,
    city: String,
    part: T,
    limit: u64,
) -> Result<Option<u64>, DbError> {
    let _ = (db, part);
    Ok(Some(city.len() as u64).filter(|score| *score < limit))
}

#[cache_search_results(
    skip(db),
    popular = text,
    stale_if_error = "1h",
    stale_while_revalidate = "5m",
    refresh_ahead = 0.5,
    soft_timeout = 1,
    hard_timeout = 2,
    jitter = 0.25,
    tags = ["text:{text:lower}"]
)]
async fn search(db: Arc<Db>, text: String, page: Option<u8>) -> ApiResult<Vec<u64>> {
    let _ = db;
    anyhow::ensure!(!text.is_empty(), "no text");
    Ok(vec![u64::from(page.unwrap_or(0))])
}

#[cache_lead_data(
    id = number,
    stale_if_error = "1h",
    stale_while_revalidate = "5m",
    refresh_ahead = 0.000_001,
    soft_timeout = 1,
    hard_timeout = 2,
    jitter = 0.999_999,
    tags = ["lead:{number}"],
    tier = "memory"
)]
async fn lead(number: u64) -> ApiResult<Option<u64>, Box<dyn std::error::Error + Send + Sync>> {
    Ok(Some(number))
}

#[derive(Clone)]
struct Repo {
    tenant: String,
}

impl Repo {
    #[cache_result(
        key = "repo:{self.tenant}:{id}",
        stale_if_error = "1h",
        soft_timeout = "1s",
        hard_timeout = "2s",
        tags = ["tenant:{self.tenant}"]
    )]
    async fn get(self: Arc<Self>, id: u64) -> ApiResult<u64, DbError> {
        Ok(id + self.tenant.len() as u64)
    }

    #[cache_result(key = "owned:{self.tenant}", refresh_ahead = 0.8)]
    async fn owned(mut self) -> String {
        self.tenant.push('x');
        self.tenant
    }
}

#[cache_result(key = "handler:{id}:{note:hash}", skip(text), refresh_ahead = 0.8, jitter = 0.5, tags = ["lead:{id}"])]
async fn handler(
    State(db): State<Arc<Db>>,
    Path(id): Path<u64>,
    mut note: String,
    text: impl AsRef<str> + Send + 'static,
) -> u64 {
    let _ = db;
    note.push_str(text.as_ref());
    id + note.len() as u64
}

/// What takes borrows, holds none.
#[cache_result(key = "length:{text}", skip(of, log), stale_while_revalidate = 5)]
async fn length(
    text: &'static str,
    of: fn(&str) -> usize,
    log: Box<dyn Fn(&str) + Send + Sync>,
    _: &str,
) -> usize {
    log(text);
    of(text)
}

/// Borrowed arguments are for functions that end with their callers.
#[cache_result(key = "name:{name}", skip(db), stale_if_error = "1h", hard_timeout = "5s", jitter = 0.1, tags = ["name:{name}"])]
async fn name(db: &Db, name: &str) -> Result<String, DbError> {
    let _ = db;
    Ok(name.to_owned())
}

fn main() {
    let db = Arc::new(Db);
    drop(score(Arc::clone(&db), "Bonn".to_owned(), 7_u8, 5));
    drop(search(Arc::clone(&db), "a".to_owned(), None));
    drop(lead(1));
    let repo = Repo { tenant: "t".to_owned() };
    drop(repo.clone().owned());
    drop(Arc::new(repo).get(1));
    drop(handler(State(Arc::clone(&db)), Path(1), String::new(), "a"));
    drop(length("a", str::len, Box::new(|_| ()), "b"));
    drop(name(&db, "Ann"));
}
