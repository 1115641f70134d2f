use cache_core::{cache_result, entry};

#[cache_result(key = "lead:{id}")]
async fn get_lead(id: u64) -> Option<u64> {
    Some(id)
}

fn main() {
    let _ = entry!(get_lead(..));
}
