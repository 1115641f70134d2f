use cache_core::cache_result;

#[cache_result(key = "search:{city}")]
async fn search(city: &str, _page: u32) -> usize {
    city.len()
}

fn main() {}
