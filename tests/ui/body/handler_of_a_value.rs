use axum::Json;
use axum::extract::{Path, State};

#[derive(Clone)]
struct App;

//@ attribute cache_core::cache_result(key = "thing:{tenant}:{id}")
async fn get(State(app): State<App>, Path((tenant, mut id)): Path<(u64, u64)>) -> Result<Json<u64>, String> {
    let unused = tenant;
    let moved = app;
    drop((moved, app));
    let next = id.checked_add(1)?;
    if id == 0 {
        return "zero";
    }
    Ok(next)
}

fn main() {
    drop(get(State(App), Path((1, 2))));
}
