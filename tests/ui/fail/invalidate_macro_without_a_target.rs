use cache_core::invalidate;

async fn update() {
    invalidate!().await;
}

fn main() {}
