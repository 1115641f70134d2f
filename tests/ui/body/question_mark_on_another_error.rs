#[derive(Debug, Clone)]
struct Failed;

//@ attribute
async fn get(id: u64) -> Result<u64, Failed> {
    let next: u64 = id.to_string().parse()?;
    Ok(next)
}

fn main() {
    drop(get(1));
}
