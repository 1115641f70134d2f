//@ attribute
async fn get(id: u64) -> u64 {
    let double = id * 2
    double + 1
}

fn main() {
    drop(get(1));
}
