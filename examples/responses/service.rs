//! The service: users in SQLite, and handlers that are cached by an attribute each. A write names what it makes old.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use cache_core::{CacheManager, cache_result, invalidate_cache};
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct User {
    pub name: String,
    pub email: String,
}

/// What the handlers have in common.
#[derive(Clone)]
pub struct App {
    cache: CacheManager,
    db: Arc<Mutex<Connection>>,
    queries: Arc<AtomicU32>,
}

/// Five minutes, whatever the environment says. An error is no answer to be kept.
#[cache_result("user_data", ttl = 300, manager = app.cache)]
async fn get_user_data(State(app): State<App>, Path(user_id): Path<u64>) -> Result<Json<User>, StatusCode> {
    let find = "SELECT name, email FROM users WHERE id = ?1";
    let found = app.query(|db| {
        let user = |row: &rusqlite::Row<'_>| {
            Ok(User {
                name: row.get(0)?,
                email: row.get(1)?,
            })
        };
        db.query_row(find, [user_id.cast_signed()], user).optional()
    })?;
    found.map(Json).ok_or(StatusCode::NOT_FOUND)
}

/// The TTL of the namespace, or the default one.
#[cache_result("profile", manager = app.cache)]
async fn get_profile(State(app): State<App>, Path(user_id): Path<u64>) -> Result<Json<String>, StatusCode> {
    let find = "SELECT 'This is ' || name FROM users WHERE id = ?1";
    let found = app.query(|db| {
        db.query_row(find, [user_id.cast_signed()], |row| row.get(0))
            .optional()
    })?;
    found.map(Json).ok_or(StatusCode::NOT_FOUND)
}

/// After success, all answers that the patterns match are gone.
#[invalidate_cache("user_data*", "profile*", manager = app.cache)]
async fn update_user(
    State(app): State<App>,
    Path(user_id): Path<u64>,
    Json(user): Json<User>,
) -> Result<Json<User>, StatusCode> {
    let change = "UPDATE users SET name = ?2, email = ?3 WHERE id = ?1";
    let changed = app.query(|db| db.execute(change, (user_id.cast_signed(), &user.name, &user.email)))?;
    if changed == 0 {
        return Err(StatusCode::NOT_FOUND);
    }
    Ok(Json(user))
}

async fn health(State(app): State<App>) -> String {
    app.cache.health().await.status.to_string()
}

impl App {
    /// A service over a database of its own.
    pub fn over(cache: &CacheManager) -> rusqlite::Result<Self> {
        let db = Connection::open_in_memory()?;
        db.execute_batch(
            "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, email TEXT);
            INSERT INTO users (name, email) VALUES ('Ann', 'ann@example.com'), ('Ben', 'ben@example.com');",
        )?;
        Ok(Self {
            cache: cache.clone(),
            db: Arc::new(Mutex::new(db)),
            queries: Arc::default(),
        })
    }

    /// Starts it on a free port.
    pub async fn start(&self) -> std::io::Result<SocketAddr> {
        let routes = Router::new()
            .route("/users/{user_id}", get(get_user_data).put(update_user))
            .route("/profiles/{user_id}", get(get_profile))
            .route("/health", get(health))
            .with_state(self.clone());
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let at = listener.local_addr()?;
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Ok(at)
    }

    /// How many queries there were.
    pub fn queries(&self) -> u32 {
        self.queries.load(Relaxed)
    }

    // The database is small and in memory, so a query is short enough to run where it is asked for.
    fn query<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StatusCode> {
        self.queries.fetch_add(1, Relaxed);
        let db = self.db.lock().unwrap_or_else(PoisonError::into_inner);
        query(&db).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
    }
}
