use cache_core::cache_result;

struct Missing<'a>(&'a str);

#[cache_result(key = "lead:{lead_id}", refresh_ahead = 0.8)]
async fn get_lead<'a>(lead_id: u64) -> Result<u64, Missing<'a>> {
    Err(Missing("lead")).or(Ok(lead_id))
}

fn main() {}
