//! The expansion of five typical functions, as files that people can read and that a change shows in. Not what the
//! expansion does: that has tests of its own. The invariant is that none of them grows unnoticed.
//!
//! `SNAPSHOTS=overwrite cargo test -p cache-macros snapshots` rewrites the files.

use std::path::Path;

use proc_macro2::TokenStream;

use crate::attr::CachedAttribute;
use crate::entry::{cached, invalidator};

fn tokens(text: &str) -> TokenStream {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The expansion as text: formatted, with a blank line between items.
fn formatted(expansion: TokenStream) -> String {
    let file = syn::parse2::<syn::File>(expansion).unwrap_or_else(|error| panic!("no items: {error}"));
    prettyplease::unparse(&file)
}

/// Compares the expansion with what is in the file, or writes it there. It has `most` lines at the most, the function itself
/// among them.
fn check(name: &str, most: usize, attribute: &str, item: &str, expansion: TokenStream) {
    let formatted = formatted(expansion);
    let lines = formatted.lines().filter(|line| !line.trim().is_empty()).count();
    let written = format!("#[{attribute}]\n{item}").replace('\n', "\n// ");
    let text = format!("// {lines} lines, made of:\n//\n// {written}\n\n{formatted}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("snapshots")
        .join(format!("{name}.rs"));
    if std::env::var_os("SNAPSHOTS").is_some_and(|mode| mode == "overwrite") {
        std::fs::write(&path, &text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "{} is not what the attribute makes:\n{text}\n`SNAPSHOTS=overwrite cargo test -p cache-macros` rewrites it",
        path.display()
    );
    assert!(
        lines <= most,
        "{name} has {lines} lines, and not {most} at the most:\n{formatted}"
    );
}

fn check_cached(name: &str, most: usize, attribute: CachedAttribute, options: &str, item: &str) {
    let expansion = cached(attribute, tokens(options), &tokens(item));
    let written = if options.is_empty() {
        attribute.name().to_owned()
    } else {
        format!("{}({options})", attribute.name())
    };
    check(name, most, &written, item, expansion);
}

#[test]
fn a_function_with_a_key() {
    check_cached(
        "function",
        209,
        CachedAttribute::Result,
        r#"key = "analytics:{metric}:{range.from}", ttl = "30m", stale_if_error = "1h""#,
        "pub async fn calculate_metric(metric: &str, range: DateRange) -> Result<f64, DbError> {\n    db::metric(metric, range).await\n}",
    );
}

#[test]
fn a_lead() {
    check_cached(
        "lead",
        195,
        CachedAttribute::LeadData,
        "skip(db)",
        "async fn get_lead(db: &Db, lead_id: u64) -> Result<Option<Lead>, DbError> {\n    db.lead(lead_id).await\n}",
    );
}

#[test]
fn a_method_of_a_tenant() {
    check_cached(
        "method",
        138,
        CachedAttribute::Result,
        r#"key = "settings:{self.tenant}:{name}""#,
        "async fn setting(&self, name: &str) -> Result<Setting, DbError> {\n    self.db.setting(name).await\n}",
    );
}

#[test]
fn a_handler() {
    check_cached(
        "handler",
        167,
        CachedAttribute::Response,
        r#"key = "page:{id}", ttl = "5m", skip(state)"#,
        "pub async fn show(State(state): State<App>, Path(id): Path<u64>) -> Result<Json<Page>, AppError> {\n    state.page(id).await.map(Json)\n}",
    );
}

#[test]
fn an_invalidator() {
    let options =
        r#"get_lead(lead_id), search_leads(..), "campaign:{lead_id}:*", tags = ["city:{result.city}"]"#;
    let item = "pub async fn update_lead(db: &Db, lead_id: u64, patch: Patch) -> Result<Lead, DbError> {\n    db.update(lead_id, patch).await\n}";
    check(
        "invalidator",
        66,
        &format!("invalidate_cache({options})"),
        item,
        invalidator(tokens(options), &tokens(item)),
    );
}
