use cache_core::cache_result;

struct Filters {
    city: String,
}

#[cache_result(key = "leads:{filters.city}", tags = ["city:{filters.town}"])]
async fn leads(filters: &Filters) -> Vec<u64> {
    vec![filters.city.len() as u64]
}

fn main() {}
