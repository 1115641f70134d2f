//@ attribute
async fn get(id: u64) -> u64 {
    let _ = id;
}

fn main() {
    drop(get(1));
}
