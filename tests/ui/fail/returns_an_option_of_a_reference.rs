use cache_core::cache_result;

#[cache_result(key = "name:{id}", skip(names))]
async fn name(names: &[String], id: usize) -> Option<&String> {
    names.get(id)
}

fn main() {}
