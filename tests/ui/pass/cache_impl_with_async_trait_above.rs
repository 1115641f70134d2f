#![deny(warnings)]

use std::sync::Arc;

use cache_core::{cache_impl, cache_result, entry, invalidate, invalidate_cache};

#[async_trait::async_trait]
trait Store: Send + Sync {
    async fn load(&self, id: u64) -> Result<Option<Arc<String>>, String>;
    async fn named(&self, name: &str, other: String) -> usize;
    async fn save(&self, id: u64) -> Result<u64, String>;
    async fn plain(&self) -> u8;
}

struct Pg {
    tenant: u8,
}

#[async_trait::async_trait]
#[cache_impl]
impl Store for Pg {
    #[cache_result(key = "pg:{self.tenant}:{id}")]
    async fn load(&self, id: u64) -> Result<Option<Arc<String>>, String> {
        if id == 0 {
            return Ok(None);
        }
        Ok(Some(Arc::new(format!("{id} {}", self.plain().await))))
    }

    #[cache_result(key = "named:{name}", skip(self, other), ttl = 60)]
    async fn named(&self, name: &str, other: String) -> usize {
        name.len() + other.len()
    }

    #[invalidate_cache(self.load(id), Self::named(..), "pg:{result}")]
    async fn save(&self, id: u64) -> Result<u64, String> {
        Ok(id)
    }

    async fn plain(&self) -> u8 {
        self.tenant
    }
}

async fn all(pg: &Pg) {
    let store: &dyn Store = pg;
    let _ = store.load(1).await;
    let _ = store.named("a", String::new()).await;
    let _ = store.save(1).await;
    invalidate!(pg.load(1), Pg::named("a")).await;
    let _: Option<Arc<String>> = entry!(pg.load(1)).peek().await;
    let _ = cache_core::refresh(store.load(1)).await;
}

fn main() {
    drop(all(&Pg { tenant: 1 }));
}
