trait Load {
    fn get(&self, id: u64) -> impl Future<Output = Option<u64>> + Send;
}

struct Repo {
    users: Vec<u64>,
}

impl Load for Repo {
    //@ attribute cache_core::invalidate_cache("thing:{id}")
    async fn get(&self, id: u64) -> Option<u64> {
        let unused = id;
        if id == 0 {
            return self.users.first();
        }
        self.users.find(id)
    }
}

fn main() {
    drop(Repo { users: Vec::new() }.get(1));
}
