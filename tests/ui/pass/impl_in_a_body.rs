#![deny(warnings)]

fn main() {
    use cache_core::{cache_impl, cache_result, entry, invalidate};

    trait Load {
        fn load(&self, id: u64) -> impl Future<Output = u64>;
    }

    struct Repo;

    #[cache_impl]
    impl Load for Repo {
        #[cache_result(key = "load:{id}", skip(self))]
        async fn load(&self, id: u64) -> u64 {
            id
        }
    }

    drop((Repo.load(1), invalidate!(Repo::load(1))));
    let _ = entry!(Repo::load(1));
}
