//@ attribute
async fn get(id: u64) -> u64 {
    return id + 1;
    let more = id + 2;
    more
}

fn main() {
    drop(get(1));
}
