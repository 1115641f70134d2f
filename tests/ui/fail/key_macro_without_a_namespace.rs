use cache_core::{Key, key};

fn of(id: u64) -> Key {
    key!("{id}:lead")
}

fn main() {}
