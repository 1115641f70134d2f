use cache_core::cache_result;

#[cache_result(key = "touch:{id}")]
async fn touch(id: u64) -> Result<(), std::io::Error> {
    let _ = id;
    Ok(())
}

fn main() {}
