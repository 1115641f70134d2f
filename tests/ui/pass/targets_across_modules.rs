#![deny(warnings)]

mod repo {
    use cache_core::{cache_impl, cache_result};

    pub struct Repo;

    #[cache_impl]
    impl Repo {
        #[cache_result(key = "find:{id}")]
        pub(crate) async fn find(id: u64) -> u64 {
            id
        }
    }

    pub mod deep {
        use cache_core::cache_result;

        #[cache_result(key = "deep:{id}")]
        pub async fn deep(id: u64) -> u64 {
            id
        }
    }
}

use cache_core::{entry, invalidate};
use repo::Repo as Renamed;
use repo::deep::deep as shallow;

async fn all(id: u64) {
    invalidate!(repo::Repo::find(id), Renamed::find(..), shallow(id), crate::repo::deep::deep(id)).await;
    let _: Option<u64> = entry!(Renamed::find(id)).peek().await;
    shallow::put(&id, 1).await;
    drop((Renamed::find(1), repo::deep::deep(1)));
}

fn main() {
    drop(all(1));
}
