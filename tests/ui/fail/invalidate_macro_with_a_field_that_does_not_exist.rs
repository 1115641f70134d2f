use cache_core::invalidate;

struct Filter {
    city: String,
}

async fn update(filter: Filter) {
    invalidate!("search:{filter.town}:*").await;
    drop(filter.city);
}

fn main() {}
