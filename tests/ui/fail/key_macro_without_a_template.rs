use cache_core::key;

fn main() {
    let id = 1;
    let _ = key!();
    let _ = key!(id);
}
