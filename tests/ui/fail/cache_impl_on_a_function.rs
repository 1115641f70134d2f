use cache_core::cache_impl;

#[cache_impl]
async fn find(id: u64) -> u64 {
    id
}

fn main() {}
