use cache_core::cache_result;

struct Repo;

impl Repo {
    #[cache_result(key = "find:{name}")]
    async fn find(name: &str) -> Option<u64> {
        Some(name.len() as u64)
    }
}

fn main() {}
