//! As much of an HTTP client as the examples need to ask a server of their own: one request for one connection, and the body
//! of its answer. It follows no redirects and knows no TLS.

use std::net::SocketAddr;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a server has answered.
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: String,
}

impl Answer {
    /// The value of a header.
    #[allow(dead_code, reason = "not all of them look at headers")]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers
            .find(|(of, _)| of.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// Sends a request, with JSON in its body if there is one.
pub async fn send(at: SocketAddr, method: &str, path: &str, body: &str) -> anyhow::Result<Answer> {
    send_with(at, method, path, "", body).await
}

/// The same with more headers, each on a line that ends.
pub async fn send_with(
    at: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> anyhow::Result<Answer> {
    let mut connection = TcpStream::connect(at).await?;
    // By HTTP/1.0 the body ends with the connection.
    let request = format!(
        "{method} {path} HTTP/1.0\r\nhost: {at}\r\n{headers}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .context("an answer without an end of its head")?;
    let status = head.split(' ').nth(1).context("an answer without a status")?;
    Ok(Answer {
        status: status.parse()?,
        head: head.to_owned(),
        body: body.to_owned(),
    })
}
