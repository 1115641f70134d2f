use cache_core::{cache_result, entry};

struct Repo;

impl Repo {
    #[cache_result(key = "repo:{id}", skip(self, team), tags = ["team:{team}"])]
    async fn get(&self, id: u64, team: u64) -> u64 {
        id + team
    }
}

fn main() {
    let _ = entry!(Repo::get(1));
}
