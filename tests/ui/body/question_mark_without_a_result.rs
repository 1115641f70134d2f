//@ attribute
async fn get(id: u64) -> u64 {
    let next: u64 = id.to_string().parse()?;
    next
}

fn main() {
    drop(get(1));
}
