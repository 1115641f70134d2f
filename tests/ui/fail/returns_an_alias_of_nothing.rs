use cache_core::cache_result;

type Nothing = ();

#[cache_result(key = "lead:{id}", tier = "memory")]
async fn touch(id: u64) -> Result<Option<Nothing>, std::io::Error> {
    Ok(Some(drop(id)))
}

fn main() {}
