//@ attribute
async fn get(id: u64) -> Result<u64, std::fmt::Error> {
    let next = id.checked_add(1)?;
    Ok(next)
}

fn main() {
    drop(get(1));
}
