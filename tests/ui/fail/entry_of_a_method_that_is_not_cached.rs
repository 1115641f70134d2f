use cache_core::entry;

struct Repo;

impl Repo {
    async fn get(&self, id: u64) -> u64 {
        id
    }

    async fn peek(&self, id: u64) {
        let _ = entry!(Self::get(id));
    }
}

fn main() {}
