//@ attribute
async fn get(id: u64) -> u64 {
    if id == 0 {
        return;
    }
    id
}

fn main() {
    drop(get(1));
}
