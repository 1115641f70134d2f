//@ attribute
async fn get(id: u64) -> Option<u64> {
    if id == 0 {
        None
    }
    Some(id)
}

fn main() {
    drop(get(1));
}
