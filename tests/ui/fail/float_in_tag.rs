use cache_core::cache_result;

#[cache_result(key = "lead:{lead_id}", skip(score), tags = ["score:{score}"])]
async fn get_lead(lead_id: u64, score: f64) -> u64 {
    lead_id + score as u64
}

fn main() {}
