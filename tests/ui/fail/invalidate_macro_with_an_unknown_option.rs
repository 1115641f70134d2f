use cache_core::invalidate;

async fn update(id: u64) {
    invalidate!("lead:{id}", tag = ["a"]).await;
}

fn main() {}
