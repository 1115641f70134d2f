async fn load(id: u64) -> u64 {
    id
}

//@ attribute
async fn get(id: u64) -> u64 {
    load(id);
    let loaded: u64 = load(id);
    loaded + load(id)
}

fn main() {
    drop(get(1));
}
