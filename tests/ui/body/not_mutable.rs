//@ attribute
async fn get(id: u64) -> u64 {
    let found = Vec::new();
    found.push(id);
    id += 1;
    found[0]
}

fn main() {
    drop(get(1));
}
