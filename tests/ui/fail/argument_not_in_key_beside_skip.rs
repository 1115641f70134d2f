use cache_core::cache_result;

struct Db;

#[cache_result(key = "search:{city}", skip(db))]
async fn search(db: &Db, city: &str, r#type: u32) -> u32 {
    let _ = (db, city);
    r#type
}

fn main() {}
