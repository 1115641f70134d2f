use cache_core::cache_result;

struct Db;

#[cache_result(key = "search:{citty}:{", ttl = "soon", colour = 1, skip(database))]
fn search(db: &Db, city: &str) -> &'static str {
    let _ = (db, city);
    ""
}

fn main() {}
