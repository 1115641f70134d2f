//@ attribute
async fn get(id: u64) -> u64 {
    let mut found = vec![id];
    let first = &found[0];
    found.push(2);
    *first
}

fn main() {
    drop(get(1));
}
