use cache_core::cache_result;

#[cache_result(key = "search:{city}")]
async fn search(city: &str, log: &mut Vec<String>) -> usize {
    log.push(city.to_owned());
    city.len()
}

fn main() {}
