//! A platform that campaigns run on: an HTTP server that can be made to fail, and its client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};

use anyhow::bail;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::http;

/// What a platform says of a campaign.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    pub state: String,
    pub budget: u64,
}

/// How a campaign does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Metrics {
    pub clicks: u64,
}

#[derive(Default)]
struct Inside {
    budget: AtomicU64,
    down: AtomicBool,
    requests: AtomicU32,
}

/// A platform, at its address.
pub struct Platform {
    at: SocketAddr,
    inside: Arc<Inside>,
}

impl Platform {
    /// Starts one on a free port.
    pub async fn start() -> anyhow::Result<Self> {
        let inside = Arc::new(Inside {
            budget: AtomicU64::new(100),
            ..Inside::default()
        });
        let routes = Router::new()
            .route("/{platform}/campaigns/{id}/status", get(status))
            .route("/{platform}/campaigns/{id}/metrics", get(metrics))
            .route("/{platform}/campaigns/{id}/budget", put(change_budget))
            .route("/{platform}/adsets/{id}/status", get(status))
            .with_state(Arc::clone(&inside));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let at = listener.local_addr()?;
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Ok(Self { at, inside })
    }

    /// Has it fail, or work again.
    pub fn is_down(&self, down: bool) {
        self.inside.down.store(down, SeqCst);
    }

    /// How many requests have reached it.
    pub fn requests(&self) -> u32 {
        self.inside.requests.load(SeqCst)
    }

    /// Asks for something in JSON.
    pub async fn ask<T: for<'a> Deserialize<'a>>(&self, path: &str) -> anyhow::Result<T> {
        let answer = http::send(self.at, "GET", path, "").await?;
        if answer.status != 200 {
            bail!("the platform answers {}", answer.status);
        }
        Ok(serde_json::from_str(&answer.body)?)
    }

    /// Changes the budget of all campaigns.
    pub async fn change_budget(&self, id: &str, platform: &str, budget: u64) -> anyhow::Result<()> {
        let path = format!("/{platform}/campaigns/{id}/budget");
        http::send(self.at, "PUT", &path, &budget.to_string()).await?;
        Ok(())
    }
}

impl Inside {
    fn answer<T>(&self, answer: T) -> Result<Json<T>, StatusCode> {
        self.requests.fetch_add(1, SeqCst);
        if self.down.load(SeqCst) {
            return Err(StatusCode::SERVICE_UNAVAILABLE);
        }
        Ok(Json(answer))
    }
}

async fn status(
    State(platform): State<Arc<Inside>>,
    Path(_): Path<(String, String)>,
) -> Result<Json<Status>, StatusCode> {
    platform.answer(Status {
        state: "active".to_owned(),
        budget: platform.budget.load(SeqCst),
    })
}

async fn metrics(
    State(platform): State<Arc<Inside>>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Metrics>, StatusCode> {
    platform.answer(Metrics {
        clicks: id.len() as u64 * 1000,
    })
}

async fn change_budget(
    State(platform): State<Arc<Inside>>,
    Path(_): Path<(String, String)>,
    Json(budget): Json<u64>,
) {
    platform.budget.store(budget, SeqCst);
}
