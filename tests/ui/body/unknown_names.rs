//@ attribute
async fn get(id: u64) -> u64 {
    let next = idd + 1;
    let other: Nothing = next.nothing();
    missing(other).field
}

fn main() {
    drop(get(1));
}
