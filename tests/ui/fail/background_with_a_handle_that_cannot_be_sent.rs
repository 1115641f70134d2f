use std::rc::Rc;

use cache_core::cache_result;

struct Db;

#[cache_result(key = "leads:{city}", skip(db), stale_while_revalidate = "5m")]
async fn leads(db: Rc<Db>, city: String) -> Vec<u64> {
    let _ = db;
    vec![city.len() as u64]
}

fn main() {}
