//@ attribute
async fn get(id: String) -> Vec<String> {
    let first = id;
    vec![first, id]
}

fn main() {
    drop(get(String::new()));
}
