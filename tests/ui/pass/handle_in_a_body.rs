#![deny(warnings)]

async fn outside() -> Option<u64> {
    #[derive(Clone, serde::Serialize, serde::Deserialize)]
    struct Local(u64);

    #[cache_core::cache_result(key = "local:{id}")]
    async fn inside(id: u64) -> Option<Local> {
        Some(Local(id))
    }

    inside::put(&1, Local(2)).await;
    drop(inside::refresh(1).await);
    inside::peek(&1).await.map(|local| local.0)
}

fn main() {
    drop(outside());
}
