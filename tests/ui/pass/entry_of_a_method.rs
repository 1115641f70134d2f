#![deny(warnings)]

use std::sync::Arc;

use cache_core::{Entry, cache_result, entry};

struct Repo {
    tenant: u64,
}

type Found<T> = Result<Option<T>, String>;

impl Repo {
    #[cache_result(key = "repo:{self.tenant}:{id}")]
    async fn get(&self, id: u64) -> Found<Arc<u64>> {
        Ok(Some(Arc::new(id)))
    }

    #[cache_result(key = "name:{id}", skip(self))]
    async fn name(&self, id: String) -> String {
        id
    }

    async fn all(&self) {
        let entry: Entry<Arc<u64>> = entry!(self.get(1));
        entry.put(Arc::new(2)).await;
        let _: Option<Arc<u64>> = entry.peek().await;
        let _: bool = entry.invalidate().await;
        let _ = entry.key();
        let _: Option<String> = entry!(Self::name("a")).peek().await;
        let _ = cache_core::refresh(self.get(1)).await;
        let _ = cache_core::uncached(self.name("a".to_owned())).await;
    }
}

fn main() {
    drop(Repo { tenant: 1 }.all());
}
