#![deny(warnings)]

use std::fmt::Debug;

use cache_core::cache_result;

trait Executor {}

impl Executor for u8 {}

#[cache_result(key = "row:{id}", skip(db, load, _more))]
async fn row<E, F, Fut, const N: usize>(db: &E, load: F, _more: [u8; N], id: u64) -> Result<u64, String>
where
    E: Executor,
    F: Fn(u64) -> Fut,
    Fut: Future<Output = u64>,
{
    let _ = db;
    Ok(load(id).await)
}

#[cache_result(key = "shown:{id}", skip(shown))]
async fn shown(id: u64, shown: impl Debug) -> String {
    format!("{id} {shown:?}")
}

fn main() {
    drop(row(&1, |id| async move { id }, [1], 1));
    drop((row::key(&1), row::invalidate(&1), shown(1, 2), shown::refresh(1, "a"), shown::peek(&1)));
}
