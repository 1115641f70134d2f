//! A small web service over a database, cached by attributes: `cargo run -p examples --example leads_api`.
//!
//! The functions that read and write leads are in `leads`, with their attributes; the routes in `api` call them as if
//! there were no cache, but for one whose responses are stored whole; and `db` is a plain database. `LEADS_DB` names the database file, made on first start; `PORT`
//! is where to listen, 0 for any free port; `REDIS_URL` puts Redis behind the memory of the process.

mod api;
mod db;
#[cfg(test)]
#[path = "../http.rs"]
mod http;
mod leads;
#[cfg(test)]
#[path = "../../tests/support/redis_server.rs"]
#[expect(dead_code, reason = "this needs little of it")]
mod redis_server;
#[cfg(test)]
mod tests;

use std::env;
use std::io::{self, IsTerminal};
use std::process::ExitCode;

use anyhow::Context;
use cache_core::CacheManager;
use tokio::net::TcpListener;
use tokio::signal;

use crate::api::App;
use crate::db::Db;

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> anyhow::Result<()> {
    let cache = CacheManager::from_env().await?;
    cache.install();

    let path = env::var("LEADS_DB").unwrap_or_else(|_| "leads.db".to_owned());
    let db = Db::open(&path)
        .await
        .with_context(|| format!("cannot use the database `{path}`"))?;

    let port = env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let port: u16 = port
        .parse()
        .with_context(|| format!("PORT is `{port}`; it takes a number from 0 to 65535"))?;
    let listener = TcpListener::bind(("127.0.0.1", port))
        .await
        .with_context(|| format!("cannot listen on port {port}"))?;
    println!("listening on http://{}", listener.local_addr()?);

    let app = App {
        db,
        cache: cache.clone(),
    };
    axum::serve(listener, api::router(app))
        .with_graceful_shutdown(interrupted())
        .await?;
    // Invalidations that Redis has not taken yet are sent once more.
    cache.close().await;
    Ok(())
}

async fn interrupted() {
    if let Err(error) = signal::ctrl_c().await {
        tracing::warn!(%error, "ctrl-c cannot be noticed; the service has to be killed");
        std::future::pending::<()>().await;
    }
}
