struct Db;

//@ attribute
async fn get(id: u64) -> u64 {
    let found = Db.find(id);
    id.checked_ad(1).unwrap_or(found)
}

fn main() {
    drop(get(1));
}
