use cache_core::cache_result;

struct Repo {
    tenant: String,
}

impl Repo {
    #[cache_result(key = "repo:{self.tenant}:{id}", stale_if_error = "1h", soft_timeout = "500ms")]
    async fn get(&self, id: u64) -> Result<u64, std::io::Error> {
        Ok(id + self.tenant.len() as u64)
    }
}

fn main() {}
