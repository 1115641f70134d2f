//@ attribute borrows
async fn get(id: &str) -> u64 {
    let worker = std::thread::spawn(|| id.len());
    worker.join().unwrap_or_default() as u64
}

fn main() {
    drop(get(""));
}
