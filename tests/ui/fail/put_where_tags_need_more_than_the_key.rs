use cache_core::cache_result;

#[cache_result(key = "lead:{id}", skip(team), tags = ["team:{team}"])]
async fn get_lead(id: u64, team: u64) -> u64 {
    id + team
}

async fn fill() {
    get_lead::put(&1, 1).await;
}

fn main() {}
