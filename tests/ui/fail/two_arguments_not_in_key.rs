use cache_core::cache_result;

struct Db;

#[cache_result(key = "search:{city}")]
async fn search(db: &Db, city: &str, page: u32) -> u32 {
    let _ = (db, city);
    page
}

fn main() {}
