#![deny(warnings)]

use cache_core::{cache_result, invalidate_cache};

struct Db {
    rows: Vec<String>,
}

struct Filters<'a> {
    city: &'a str,
    page: Option<u32>,
}

#[cache_result(key = "row:{index}:{names}", skip(db, log))]
async fn row(db: &Db, index: &usize, names: &[&str], log: &mut Vec<String>) -> Option<String> {
    log.push(names.join(","));
    db.rows.get(*index).cloned()
}

#[cache_result(key = "search:{filters.city}:{filters.page}", skip(db))]
async fn search(db: &Db, filters: &Filters<'_>) -> Vec<String> {
    db.rows.iter().filter(|row| row.as_str() == filters.city).cloned().collect()
}

#[invalidate_cache(row(index, &["a", "b"]), search(Filters { city, page: None }))]
async fn update(index: usize, city: &str) -> usize {
    index + city.len()
}

fn main() {
    assert!(row::key(&1, &["a"]).as_str().starts_with("row:1:"));
    assert!(search::key(&Filters { city: "x", page: None }).as_str().starts_with("search:x:"));
    let db = Db { rows: Vec::new() };
    drop(row(&db, &0, &["a"], &mut Vec::new()));
    drop((search(&db, &Filters { city: "a", page: Some(1) }), update(1, "a")));
}
