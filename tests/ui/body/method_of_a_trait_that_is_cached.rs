use cache_core::{cache_impl, cache_result};

trait Load {
    fn get(&self, id: u64) -> impl Future<Output = Option<u64>> + Send;
    fn other(&self, id: u64) -> impl Future<Output = u64> + Send;
}

struct Repo {
    users: Vec<u64>,
}

#[cache_impl]
impl Load for Repo {
    //@ attribute cache_result(key = "thing:{id}", skip(self))
    async fn get(&self, id: u64) -> Option<u64> {
        let unused = id;
        if id == 0 {
            return self.users.first();
        }
        self.users.find(id)
    }

    #[cache_result(key = "other:{id}", skip(self))]
    async fn other(&self, id: u64) -> u64 {
        id
    }
}

fn main() {
    drop(Repo { users: Vec::new() }.get(1));
}
