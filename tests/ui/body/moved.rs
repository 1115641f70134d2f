//@ attribute
async fn get(id: String) -> Vec<String> {
    let found = vec![id];
    drop(found);
    let more = found;
    more
}

fn main() {
    drop(get(String::new()));
}
