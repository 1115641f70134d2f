async fn load(id: u64) -> Result<u64, std::fmt::Error> {
    Ok(id)
}

//@ attribute
async fn get(id: u64) -> Result<u64, std::fmt::Error> {
    load(id)
}

fn main() {
    drop(get(1));
}
