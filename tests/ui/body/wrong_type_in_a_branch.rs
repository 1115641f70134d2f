//@ attribute
async fn get(id: u64) -> u64 {
    match id {
        0 => "zero",
        other => other,
    }
}

fn main() {
    drop(get(1));
}
