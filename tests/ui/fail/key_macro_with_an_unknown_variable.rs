use cache_core::{Key, key};

fn of(lead_id: u64) -> Key {
    key!("lead:{lead}:{lead_id}")
}

fn main() {}
