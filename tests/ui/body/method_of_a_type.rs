struct Repo {
    users: Vec<u64>,
}

impl Repo {
    //@ attribute borrows skip(self)
    async fn get(&self, id: u64) -> Option<u64> {
        let unused = id;
        self.users.push(id);
        if id == 0 {
            return self.user.first();
        }
        self.find(id)
    }
}

fn main() {
    drop(Repo { users: Vec::new() }.get(1));
}
