use cache_core::cache_result;

struct Range {
    from: f32,
}

#[cache_result(key = "range:{range.from}")]
async fn measure(range: Range) -> u64 {
    u64::from(range.from > 1.0)
}

fn main() {}
