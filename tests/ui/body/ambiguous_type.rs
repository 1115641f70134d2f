//@ attribute
async fn get(id: u64) -> Vec<u64> {
    let mut found = Vec::new();
    let parsed = "1".parse().unwrap();
    found.push(id);
    found.into_iter().collect::<Vec<_>>().into()
}

fn main() {
    drop(get(1));
}
