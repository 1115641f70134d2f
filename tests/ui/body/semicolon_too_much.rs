//@ attribute
async fn get(id: u64) -> Result<u64, std::fmt::Error> {
    let double = id * 2;
    Ok(double);
}

fn main() {
    drop(get(1));
}
