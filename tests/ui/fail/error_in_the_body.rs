use cache_core::cache_result;

#[cache_result(key = "lead:{lead_id}")]
async fn get_lead(lead_id: u64) -> Result<u64, std::io::Error> {
    if lead_id == 0 {
        return "zero";
    }
    Ok(lead)
}

fn main() {}
