use cache_core::invalidate;

async fn update(id: u64) {
    invalidate!(tags = ["lead:{id}:*"]).await;
}

fn main() {}
