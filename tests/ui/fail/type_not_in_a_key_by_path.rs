use cache_core::cache_result;

trait Clock {
    fn now() -> u64;
}

#[cache_result]
async fn age<C: Clock>(born: u64) -> u64 {
    C::now() - born
}

fn main() {}
