use cache_core::{Key, key};

fn of(ratio: f64) -> Key {
    key!("ratio:{ratio}")
}

fn main() {}
