use cache_core::cache_result;

type Users = Vec<u64>;

#[cache_result(key = "user:{id}", each = id in ids)]
async fn users(ids: Vec<u64>) -> Users {
    ids
}

fn main() {}
