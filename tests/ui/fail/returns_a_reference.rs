use cache_core::cache_result;

#[cache_result(key = "name:{id}", skip(names))]
async fn name(names: &[String], id: usize) -> &str {
    &names[id]
}

fn main() {}
