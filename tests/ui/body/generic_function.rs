//@ attribute skip(T)
async fn get<T: Clone>(id: u64) -> u64 {
    let value: T = id;
    value.first();
    value + 1
}

fn main() {
    drop(get::<u8>(1));
}
