//@ attribute
async fn get(id: u64) -> Result<u64, std::io::Error> {
    if id == 0 {
        return "zero";
    }
    if id == 1 {
        return None;
    }
    Ok(id)
}

fn main() {
    drop(get(1));
}
