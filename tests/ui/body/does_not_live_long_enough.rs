//@ attribute
async fn get(id: u64) -> u64 {
    let first;
    {
        let found = vec![id];
        first = &found[0];
    }
    *first
}

fn main() {
    drop(get(1));
}
