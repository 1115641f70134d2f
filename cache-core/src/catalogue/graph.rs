//! Who invalidates whom, as a drawing. It computes nothing but text. Invariant: every annotated function is one node, and
//! every target that can drop something of a function is one arrow.

use std::fmt;

use super::relations::Relations;
use crate::engine::info::FunctionInfo;

/// Who invalidates whom. Its `Display` is a flowchart of Mermaid, which Markdown on GitHub and GitLab shows as a drawing
/// in a block of that name; [`dot`](Self::dot) is the same for Graphviz.
#[derive(Debug, Clone)]
pub struct Graph {
    nodes: Vec<&'static FunctionInfo>,
    arrows: Vec<Arrow>,
}

#[derive(Debug, Clone)]
struct Arrow {
    from: usize,
    to: usize,
    label: String,
}

impl Graph {
    pub(super) fn of(relations: &Relations) -> Self {
        let mut nodes: Vec<&'static FunctionInfo> =
            relations.cached.iter().map(|cached| cached.info).collect();
        let mut arrows = Vec::new();
        for target in &relations.targets {
            // The targets of an invalidator follow each other.
            if nodes.last() != Some(&target.invalidator) {
                nodes.push(target.invalidator);
            }
            let from = nodes.len() - 1;
            for (to, cached) in relations.cached.iter().enumerate() {
                if relations.drops(target, cached) {
                    let label = target.info.to_string();
                    arrows.push(Arrow { from, to, label });
                }
            }
        }
        Self { nodes, arrows }
    }

    /// Each arrow: the paths of the invalidator and of the cached function, and the target.
    #[cfg(feature = "axum")]
    pub(crate) fn arrows(&self) -> impl Iterator<Item = (&'static str, &'static str, &str)> {
        let path = |index: usize| self.nodes.get(index).map_or("", |node| node.path());
        self.arrows
            .iter()
            .map(move |arrow| (path(arrow.from), path(arrow.to), arrow.label.as_str()))
    }

    /// The same in the language of Graphviz: `dot -Tsvg`.
    pub fn dot(&self) -> impl fmt::Display + '_ {
        Dot(self)
    }
}

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &str| {
            text.replace('"', "#quot;")
                .replace('<', "#lt;")
                .replace('>', "#gt;")
        };
        writeln!(f, "flowchart LR")?;
        for (number, node) in self.nodes.iter().enumerate() {
            let path = quoted(&label(node));
            // What holds entries is drawn as a store.
            if node.is_cached() {
                writeln!(f, "    f{number}[(\"{path}\")]")?;
            } else {
                writeln!(f, "    f{number}[\"{path}\"]")?;
            }
        }
        for Arrow { from, to, label } in &self.arrows {
            writeln!(f, "    f{from} -->|\"{}\"| f{to}", quoted(label))?;
        }
        Ok(())
    }
}

/// The path; where many have one, because they stand in bodies, the line too.
fn label(node: &FunctionInfo) -> String {
    if node.name().ends_with('!') {
        format!("{}:{}", node.path(), node.line())
    } else {
        node.path().to_owned()
    }
}

struct Dot<'a>(&'a Graph);

impl fmt::Display for Dot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        writeln!(f, "digraph catalogue {{\n    rankdir=LR;")?;
        for (number, node) in self.0.nodes.iter().enumerate() {
            let shape = if node.is_cached() { "cylinder" } else { "box" };
            writeln!(
                f,
                "    f{number} [shape={shape}, label=\"{}\"];",
                quoted(&label(node))
            )?;
        }
        for Arrow { from, to, label } in &self.0.arrows {
            writeln!(f, "    f{from} -> f{to} [label=\"{}\"];", quoted(label))?;
        }
        writeln!(f, "}}")
    }
}
