use std::future::ready;
use std::pin::Pin;

//@ attribute
fn get(id: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    let unused = 1;
    if id == 1 {
        return Box::pin(ready(1));
    }
    if id == 2 {
        return id;
    }
    Box::pin(async move {
        let more = 2;
        if id == 0 {
            return "zero";
        }
        id
    })
}

fn main() {
    drop(get(1));
}
