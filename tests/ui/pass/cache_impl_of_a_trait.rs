#![deny(warnings)]

use cache_core::{cache_impl, cache_result, entry, invalidate, invalidate_cache};

trait Store {
    type Id;
    const NAME: &'static str;
    fn load(&self, id: u64) -> impl Future<Output = Result<String, String>> + Send;
    fn make(name: &str) -> impl Future<Output = Option<u64>> + Send;
    fn save(&self, id: u64) -> impl Future<Output = u64> + Send;
}

struct Pg {
    tenant: u8,
}

#[cache_impl]
impl Store for Pg {
    type Id = u64;
    const NAME: &'static str = "pg";

    #[cache_result(key = "pg:{self.tenant}:{id}")]
    async fn load(&self, id: u64) -> Result<String, String> {
        Ok(id.to_string())
    }

    #[cache_result]
    async fn make(name: &str) -> Option<u64> {
        Some(name.len() as u64)
    }

    #[invalidate_cache(self.load(id), Self::load(..), Self::make("a"))]
    async fn save(&self, id: u64) -> u64 {
        id
    }
}

async fn all(pg: &Pg) {
    invalidate!(pg.load(1), Pg::make(..)).await;
    let _: Option<String> = entry!(pg.load(1)).peek().await;
    drop((pg.load(1), pg.save(1), Pg::make("a"), Pg::NAME));
    let _: <Pg as Store>::Id = 1;
}

fn main() {
    drop(all(&Pg { tenant: 1 }));
}
