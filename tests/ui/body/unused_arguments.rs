//@ attribute skip(unused, never_changed)
async fn get(id: u64, unused: u64, mut never_changed: u64) -> u64 {
    id + never_changed
}

fn main() {
    drop(get(1, 2, 3));
}
