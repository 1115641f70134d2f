use cache_core::cache_result;

#[cache_result(key = "page:{number}")]
async fn page<const SIZE: usize>(number: u32) -> Vec<u32> {
    vec![number; SIZE]
}

fn main() {}
