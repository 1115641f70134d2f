#![deny(warnings)]

use std::sync::LazyLock;

use cache_core::{CacheManager, cache_result};

static CACHE: LazyLock<CacheManager> = LazyLock::new(CacheManager::in_memory);

#[cache_result(key = "own:{id}", manager = &*CACHE)]
async fn own(id: u64) -> u64 {
    id
}

struct App {
    cache: CacheManager,
}

/// Its manager is known where an `App` is: there its entries are invalidated by attribute.
#[cache_result(key = "given:{id}", skip(app), manager = app.cache)]
async fn given(app: &App, id: u64) -> u64 {
    id
}

fn main() {
    drop((own(1), own::peek(&1), own::put(&1, 2), own::invalidate_all()));
    let app = App { cache: CacheManager::in_memory() };
    drop((given(&app, 1), given::refresh(&app, 1), given::uncached(&app, 1), given::key(&1)));
}
