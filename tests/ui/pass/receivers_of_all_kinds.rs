#![deny(warnings)]

use std::pin::Pin;
use std::sync::Arc;

use cache_core::{cache_impl, cache_result, entry};

#[derive(Clone)]
struct Repo {
    tenant: u8,
}

#[cache_impl]
impl Repo {
    #[cache_result(key = "a:{self.tenant}")]
    async fn borrowed(&self) -> u8 {
        self.tenant
    }

    #[cache_result(key = "b:{self.tenant}")]
    async fn shared(self: Arc<Self>) -> u8 {
        self.tenant
    }

    #[cache_result(key = "c:{self.tenant}")]
    async fn owned(self) -> u8 {
        self.tenant
    }

    #[cache_result(key = "d:{self.tenant}")]
    async fn pinned(self: Pin<&Self>) -> u8 {
        self.tenant
    }

    #[cache_result(key = "e:{id}", skip(self))]
    async fn mutable(&mut self, id: u8) -> u8 {
        self.tenant += id;
        self.tenant
    }
}

fn main() {
    let mut repo = Repo { tenant: 1 };
    drop((repo.borrowed(), Arc::new(repo.clone()).shared(), repo.clone().owned(), Pin::new(&repo).pinned()));
    let _ = (entry!(repo.borrowed()), entry!(repo.shared()), entry!(repo.owned()), entry!(repo.pinned()));
    drop(repo.mutable(1));
}
