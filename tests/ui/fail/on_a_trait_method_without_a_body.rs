use cache_core::cache_result;

pub trait Store {
    #[cache_result(key = "lead:{id}", skip(self))]
    fn get(&self, id: u64) -> u64;
}

fn main() {}
