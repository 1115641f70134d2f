use cache_core::cache_result;

#[cache_result(key = "lead:{id}", none_ttl = 5)]
async fn find(id: u64) -> Result<Option<Lead>, std::io::Error> {
    panic!("{id}")
}

fn main() {}
