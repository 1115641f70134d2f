use std::future::ready;

//@ attribute
async fn get(id: u64) -> u64 {
    let unused = 1;
    let mut never_changed = id;
    let mut read_by_nobody = 2;
    read_by_nobody = 3;
    ready(1);
    id + 1;
    never_changed
}

fn main() {
    drop(get(1));
}
