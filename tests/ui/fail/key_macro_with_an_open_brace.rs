use cache_core::{Key, key};

fn of(id: u64) -> Key {
    key!("lead:{id")
}

fn main() {}
