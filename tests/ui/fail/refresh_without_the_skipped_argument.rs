use cache_core::cache_result;

struct Db;

#[cache_result(key = "lead:{id}", skip(db))]
async fn get_lead(db: &Db, id: u64) -> u64 {
    let _ = db;
    id
}

async fn renew() {
    get_lead::refresh(1).await;
}

fn main() {}
