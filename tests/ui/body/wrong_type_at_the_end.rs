//@ attribute
async fn get(id: u64) -> Result<Vec<u64>, std::fmt::Error> {
    let found = vec![id];
    found
}

fn main() {
    drop(get(1));
}
