//! Invalidating by hand: off unless a token is configured. Invariant: a token is never shown, and comparing one takes the same
//! time whatever is given; a browser never sends it by itself, so no other site can have a visitor invalidate something.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Here;
use crate::catalogue::catalogue;
use crate::engine::info::{FunctionInfo, KeyForm};
use crate::engine::remove::Name;

/// A digest of a token.
#[derive(Clone, Copy)]
pub(super) struct Token([u8; 32]);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

impl Token {
    pub(super) fn of(text: &[u8]) -> Self {
        Self(Sha256::digest(text).into())
    }

    fn is(self, other: Self) -> bool {
        let differences = self.0.iter().zip(other.0).map(|(one, other)| one ^ other);
        differences.fold(0, |all, difference| all | difference) == 0
    }
}

fn answer(status: StatusCode, body: Value) -> Response {
    (status, [(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

fn refuse(status: StatusCode, error: &str) -> Response {
    answer(status, json!({ "error": error }))
}

/// `{"kind": "function" | "key" | "pattern" | "tag", "name": ".."}` with `Authorization: Bearer {token}`.
pub(super) async fn invalidate(State(console): Here, headers: HeaderMap, body: Json<Value>) -> Response {
    let Some(token) = console.token else {
        let error = "invalidating by hand is off: no token is configured";
        return refuse(StatusCode::FORBIDDEN, error);
    };
    let given = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "))
        .unwrap_or_default();
    if !token.is(Token::of(given)) {
        let mut response = refuse(StatusCode::UNAUTHORIZED, "this is not the token");
        let bearer = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(WWW_AUTHENTICATE, bearer);
        return response;
    }
    let text = |field: &str| body.get(field).and_then(Value::as_str);
    let (Some(kind), Some(name)) = (text("kind"), text("name").filter(|name| !name.is_empty())) else {
        let error = "`kind` and `name` are texts, and `name` is not empty";
        return refuse(StatusCode::UNPROCESSABLE_ENTITY, error);
    };
    let manager = &console.manager;
    let removed = match kind {
        "key" => Some(u64::from(manager.delete(name).await)),
        "pattern" => Some(manager.invalidate(name).await),
        "tag" => {
            manager.invalidate_tag(name).await;
            None
        }
        "function" => match names_of(name) {
            Ok(names) => {
                let mut budget = manager.core.budget();
                for name in names {
                    manager.core.invalidate(name, &mut budget).await;
                }
                None
            }
            Err(error) => return refuse(StatusCode::UNPROCESSABLE_ENTITY, error),
        },
        _ => {
            let error = "`kind` is `function`, `key`, `pattern` or `tag`";
            return refuse(StatusCode::UNPROCESSABLE_ENTITY, error);
        }
    };
    // What was invalidated may be a key, which stands in no log.
    tracing::info!(kind, removed, "something was invalidated by hand");
    answer(StatusCode::OK, json!({ "removed": removed }))
}

/// What all entries of a function are invalidated by.
fn names_of(path: &str) -> Result<Vec<Name>, &'static str> {
    let mut rows = catalogue().cached().filter(|row| row.path() == path).peekable();
    if rows.peek().is_none() {
        return Err("no cached function has this path");
    }
    let mut names = Vec::new();
    for row in rows {
        if row.key_form() == KeyForm::Method {
            return Err(
                "the keys of this method begin with its type, which is not known here; name a pattern",
            );
        }
        names.extend(names_of_row(row));
    }
    Ok(names)
}

fn names_of_row(row: &FunctionInfo) -> Vec<Name> {
    let template = row.template();
    if !template.contains('{') {
        return vec![Name::Key(template)];
    }
    let namespace = template.split(':').next().unwrap_or_default();
    Name::function(row.path(), row.template, namespace).into()
}
