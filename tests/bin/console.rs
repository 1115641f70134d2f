//! A service with every route of the console, for `tests/page`. It prints its address and serves until it is killed. Its keys
//! and searches are such as a page must not take for its own text.

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;
use cache_core::axum::{Console, layer};
use cache_core::{CacheManager, cache_response, cache_result, cache_search_results, invalidate_cache};

#[cache_response(key = "lead:{id}", ttl = 60, tags = ["city:{id}"])]
async fn lead(Path(id): Path<String>) -> String {
    id
}

#[cache_result(key = "report:{id}", ttl = "30m")]
async fn report(Path(id): Path<u64>) -> axum::Json<u64> {
    tokio::time::sleep(std::time::Duration::from_millis(id % 50)).await;
    axum::Json(id)
}

#[cache_search_results(popular = text)]
async fn search(Path(text): Path<String>) -> axum::Json<Vec<String>> {
    axum::Json(vec![text])
}

#[invalidate_cache(lead(id), search(..), tags = ["city:{id}"])]
async fn change_lead(Path(id): Path<String>) -> StatusCode {
    let _ = id;
    StatusCode::NO_CONTENT
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let cache = CacheManager::in_memory();
    let token = std::env::args().nth(1).unwrap_or_default();
    let app = Router::new()
        .route("/lead/{id}", get(lead).put(change_lead))
        .route("/report/{id}", get(report))
        .route("/search/{text}", get(search))
        .layer(layer(cache.clone()))
        .nest("/cache", Console::new(cache).token(token).router());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    println!("http://{}", listener.local_addr().expect("an address"));
    axum::serve(listener, app).await.expect("a server");
}
