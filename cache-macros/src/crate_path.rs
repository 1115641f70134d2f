//! Where generated code finds `cache_core`.
//!
//! Not a TOML parser: a scanner for the few lines that name a dependency. The invariant is that whatever the
//! manifest holds, the answer is a path; when nothing is found it is `::cache_core`, and rustc says the rest.

use std::path::{Path, PathBuf};

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};

use crate::span::{mixed, relocate};

const PACKAGE: &str = "cache-core";

/// The path of `cache_core` in the crate being compiled.
pub(crate) enum CratePath {
    /// `::name`, from the manifest.
    Extern(String),
    /// From the option `crate`.
    Written(syn::Path),
}

impl CratePath {
    /// The path that was written, else the one that the manifest gives.
    pub(crate) fn new(written: Option<&syn::Path>) -> Self {
        written
            .cloned()
            .map_or_else(|| Self::Extern(from_environment()), Self::Written)
    }

    /// `$cc`, located at `span`.
    pub(crate) fn at(&self, span: Span) -> TokenStream {
        match self {
            Self::Extern(name) => {
                let name = Ident::new(name, mixed(span));
                quote_spanned!(mixed(span)=> ::#name)
            }
            Self::Written(path) => relocate(path.to_token_stream(), span),
        }
    }

    /// `$cc::__private`, located at `span`.
    pub(crate) fn private(&self, span: Span) -> TokenStream {
        let path = self.at(span);
        quote_spanned!(mixed(span)=> #path::__private)
    }
}

fn from_environment() -> String {
    let directory = std::env::var_os("CARGO_MANIFEST_DIR")
        .map(PathBuf::from)
        .unwrap_or_default();
    let manifest = std::fs::read_to_string(directory.join("Cargo.toml")).unwrap_or_default();
    let name = dependency_name(&manifest, |alias| inherited_package(&directory, alias));
    // A key that is no identifier cannot be a path either; then rustc reports the usual name.
    let name = name.replace('-', "_");
    if syn::parse_str::<Ident>(&name).is_ok() {
        name
    } else {
        "cache_core".to_owned()
    }
}

/// What `alias.workspace = true` stands for, from the workspace above.
fn inherited_package(directory: &Path, alias: &str) -> Option<String> {
    directory.ancestors().find_map(|ancestor| {
        let manifest = std::fs::read_to_string(ancestor.join("Cargo.toml")).ok()?;
        dependencies(&manifest, &["workspace"])
            .into_iter()
            .find(|dependency| dependency.key == alias)?
            .package
    })
}

/// The key under which a manifest depends on cache-core.
fn dependency_name(manifest: &str, inherited: impl Fn(&str) -> Option<String>) -> String {
    let usual = PACKAGE.replace('-', "_");
    let dependencies = dependencies(manifest, &[]);
    let package_of = |dependency: &Dependency| match &dependency.package {
        Some(package) => Some(package.clone()),
        None if dependency.inherited => inherited(&dependency.key),
        None => None,
    };
    for dependency in &dependencies {
        if dependency.key.replace('-', "_") == usual
            && package_of(dependency).is_none_or(|package| package == PACKAGE)
        {
            return usual;
        }
    }
    dependencies
        .iter()
        .find(|dependency| package_of(dependency).as_deref() == Some(PACKAGE))
        .map_or(usual, |dependency| dependency.key.clone())
}

/// One dependency of a manifest, of whatever kind.
#[derive(Debug, Default, PartialEq, Eq)]
struct Dependency {
    key: String,
    /// `package = ".."`
    package: Option<String>,
    /// `workspace = true`
    inherited: bool,
}

/// The dependencies in the tables below `prefix`: `[dependencies]`, `[dependencies.x]`,
/// `[target.*.dev-dependencies]` and so on.
fn dependencies(manifest: &str, prefix: &[&str]) -> Vec<Dependency> {
    let mut found: Vec<Dependency> = Vec::new();
    let mut table: Option<Vec<String>> = None;
    for line in manifest.lines() {
        let line = without_comment(line);
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_start_matches('[').trim_end_matches(']');
            table = below_dependencies(&keys(header), prefix);
            continue;
        }
        let Some(table) = &table else { continue };
        let Some((left, value)) = split_unquoted(line, '=') else {
            continue;
        };
        let mut path = table.clone();
        path.extend(keys(left));
        let Some((key, attribute)) = path.split_first() else {
            continue;
        };
        let dependency = entry(&mut found, key);
        match attribute {
            [] => {
                let inner = value.trim().trim_start_matches('{').trim_end_matches('}');
                for pair in inner.split(',') {
                    if let Some((name, value)) = split_unquoted(pair, '=') {
                        set(dependency, name.trim(), value);
                    }
                }
            }
            [name] => set(dependency, name, value),
            _ => {}
        }
    }
    found
}

fn entry<'a>(found: &'a mut Vec<Dependency>, key: &str) -> &'a mut Dependency {
    let index = found
        .iter()
        .position(|dependency| dependency.key == key)
        .unwrap_or(found.len());
    if index == found.len() {
        found.push(Dependency {
            key: key.to_owned(),
            ..Dependency::default()
        });
    }
    // The index is one that was found, or the last.
    &mut found[index]
}

fn set(dependency: &mut Dependency, name: &str, value: &str) {
    let value = value.trim().trim_matches(['"', '\'']);
    match name {
        "package" => dependency.package = Some(value.to_owned()),
        "workspace" => dependency.inherited = value == "true",
        _ => {}
    }
}

/// What follows `dependencies` in the header of a table, if it is a table of dependencies.
fn below_dependencies(header: &[String], prefix: &[&str]) -> Option<Vec<String>> {
    let at = header.iter().position(|key| {
        matches!(
            key.as_str(),
            "dependencies" | "dev-dependencies" | "build-dependencies"
        )
    })?;
    let (before, rest) = header.split_at_checked(at)?;
    let starts = match prefix {
        [] => before.is_empty() || before.first().is_some_and(|key| key == "target"),
        _ => before == prefix,
    };
    starts.then(|| rest.get(1..).unwrap_or_default().to_vec())
}

/// `a."b.c".d` as its keys.
fn keys(path: &str) -> Vec<String> {
    let mut keys = Vec::new();
    let mut rest = path;
    while let Some((key, after)) = split_unquoted(rest, '.') {
        keys.push(unquoted(key));
        rest = after;
    }
    keys.push(unquoted(rest));
    keys
}

fn unquoted(key: &str) -> String {
    key.trim().trim_matches(['"', '\'']).to_owned()
}

fn without_comment(line: &str) -> &str {
    split_unquoted(line, '#')
        .map_or(line, |(before, _)| before)
        .trim()
}

/// Splits at the first `at` that stands in no quotes.
fn split_unquoted(text: &str, at: char) -> Option<(&str, &str)> {
    let mut quote = None;
    for (index, c) in text.char_indices() {
        match quote {
            None if c == at => return Some((text.get(..index)?, text.get(index + c.len_utf8()..)?)),
            None if matches!(c, '"' | '\'') => quote = Some(c),
            Some(open) if c == open => quote = None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::dependency_name;

    fn name(manifest: &str) -> String {
        dependency_name(manifest, |alias| {
            (alias == "ours").then(|| "cache-core".to_owned())
        })
    }

    #[test]
    fn the_usual_name_is_found_in_every_form() {
        for manifest in [
            "[dependencies]\ncache-core = \"0.1\"",
            "[dependencies]\ncache_core = { path = \"..\" } # comment",
            "[dependencies.cache-core]\nversion = \"0.1\"",
            "[dev-dependencies]\ncache-core.workspace = true",
            "[package]\nname = \"cache-core\"",
            "",
        ] {
            assert_eq!(name(manifest), "cache_core", "{manifest}");
        }
    }

    #[test]
    fn a_renamed_dependency_is_found() {
        for manifest in [
            "[dependencies]\ncaching = { package = \"cache-core\", version = \"0.1\" }",
            "[dependencies]\nserde = \"1\"\n\n[dependencies.caching]\npackage = 'cache-core'",
            "[dev-dependencies]\ncaching = { version = \"0.1\", package=\"cache-core\" }",
            "[target.'cfg(unix)'.dependencies]\ncaching = { package = \"cache-core\" }",
            "[target.\"cfg(any(a.b))\".dependencies.caching]\npackage = \"cache-core\"",
            "[dependencies]\ncaching.package = \"cache-core\"",
        ] {
            assert_eq!(name(manifest), "caching", "{manifest}");
        }
    }

    #[test]
    fn an_inherited_dependency_is_looked_up_in_the_workspace() {
        assert_eq!(name("[dependencies]\nours.workspace = true"), "ours");
        assert_eq!(
            name("[dependencies]\nours = { workspace = true, features = [\"x\"] }"),
            "ours"
        );
        assert_eq!(name("[dependencies]\ntheirs.workspace = true"), "cache_core");
    }

    #[test]
    fn other_tables_are_no_dependencies() {
        assert_eq!(
            name("[package.metadata.dependencies]\nx = { package = \"cache-core\" }"),
            "cache_core"
        );
        assert_eq!(name("[features]\nx = [\"dep:cache-core\"]"), "cache_core");
    }

    #[test]
    fn another_package_under_our_name_is_not_ours() {
        let manifest =
            "[dependencies]\ncache-core = { package = \"other\" }\nreal = { package = \"cache-core\" }";
        assert_eq!(name(manifest), "real");
    }
}
