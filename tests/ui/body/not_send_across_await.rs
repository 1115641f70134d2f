use std::future::ready;
use std::rc::Rc;

//@ attribute
async fn get(id: u64) -> u64 {
    let shared = Rc::new(id);
    ready(()).await;
    *shared
}

fn spawn(_: impl Future + Send) {}

fn main() {
    spawn(get(1));
}
