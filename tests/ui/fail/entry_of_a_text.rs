use cache_core::entry;

fn main() {
    let _ = entry!("lead:1");
}
