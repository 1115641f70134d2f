use cache_core::cache_search_results;

trait Table {
    const NAME: &'static str;
}

#[cache_search_results]
async fn search<T: Table>(text: &str) -> Vec<String> {
    vec![format!("{} {text}", T::NAME)]
}

fn main() {}
