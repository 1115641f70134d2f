use cache_core::cache_result;

#[cache_result(key = "ratio:{ratio}")]
async fn scaled(ratio: f64) -> u64 {
    if ratio > 1.0 { 1 } else { 0 }
}

fn main() {}
