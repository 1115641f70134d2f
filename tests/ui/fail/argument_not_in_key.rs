use cache_core::cache_result;

#[cache_result(key = "search:{city}")]
async fn search(city: &str, page: u32) -> u32 {
    let _ = city;
    page
}

fn main() {}
