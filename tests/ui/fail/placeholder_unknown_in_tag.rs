use cache_core::invalidate_cache;

#[invalidate_cache(tags = ["city:{results.city}"])]
async fn update(city: &str) -> Result<String, std::io::Error> {
    Ok(city.to_owned())
}

fn main() {}
