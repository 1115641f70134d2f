//! A server that a test starts, on a port of its own; it goes away with its handle.

use std::net::SocketAddr;

use axum::Router;
use cache_core::CacheManager;

use crate::client::{Client, Reply};

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) manager: CacheManager,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Serves routes behind the layer, with a cache in memory.
    pub(crate) async fn start(routes: Router) -> Self {
        Self::with(CacheManager::in_memory(), routes).await
    }

    /// The same with another cache.
    pub(crate) async fn with(manager: CacheManager, routes: Router) -> Self {
        let layer = cache_core::axum::layer(manager.clone());
        Self::bare(manager, routes.layer(layer)).await
    }

    /// Serves routes as they are.
    pub(crate) async fn bare(manager: CacheManager, routes: Router) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        let task = tokio::spawn(async move {
            axum::serve(listener, routes).await.expect("a server");
        });
        Self {
            address,
            manager,
            task,
        }
    }

    /// Sends a request over a connection of its own.
    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
        Client::connect(self.address)
            .await
            .send(method, path, headers)
            .await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[]).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}
