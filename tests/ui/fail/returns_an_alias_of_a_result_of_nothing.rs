use cache_core::cache_result;

type Done = Result<(), std::io::Error>;

#[cache_result(key = "lead:{id}")]
async fn touch(id: u64) -> Done {
    drop(id);
    Ok(())
}

fn main() {}
