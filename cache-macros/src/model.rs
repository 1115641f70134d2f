//! What was written, and what the checks made of it.
//!
//! `Cached` and `Invalidator` are the user's words in order; a plan is what is left when names are resolved and
//! rules are kept. The invariant is that expansion takes plans only, and that a plan holds nothing that must
//! still be looked up or could be refused.

use proc_macro2::{Ident, Span, TokenStream};
use syn::{Expr, ExprPath, Member, Type};

use crate::attr::{CachedAttribute, CachedOptions, InvalidateOptions, MethodOwner};
use crate::crate_path::CratePath;
use crate::signature::{Binding, Function, generic_types, last_segment, name_in, value_of};
use crate::template::Filter;

/// A function with an attribute that caches.
pub(crate) struct Cached {
    pub(crate) attribute: CachedAttribute,
    pub(crate) options: CachedOptions,
    pub(crate) function: Function,
    /// The arguments that the key is made of; where there is `each`, the element is in the place of the argument that has it.
    pub(crate) bindings: Vec<Binding>,
    pub(crate) each: Option<Each>,
    pub(crate) krate: CratePath,
}

/// What `each` says, with its names resolved.
pub(crate) struct Each {
    /// The argument that has the elements.
    pub(crate) argument: Binding,
    pub(crate) form: Elements,
}

/// How the elements are given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Elements {
    Vec,
    Slice,
}

impl Cached {
    /// The element that the key is made of, where there is `each`.
    pub(crate) fn element(&self) -> Option<&Binding> {
        self.bindings.iter().find(|binding| binding.is_element())
    }

    /// The type of what is stored, without what is around it, as far as the signature shows it.
    pub(crate) fn value_type(&self) -> Option<&Type> {
        let whole = self.function.value_type()?;
        if self.each.is_none() {
            return Some(whole);
        }
        value_in_map(whole).map(value_of)
    }

    /// Where what rustc finds about the stored value is shown.
    pub(crate) fn value_span(&self) -> Span {
        match self.value_type().filter(|_| self.each.is_some()) {
            Some(value) => name_in(value),
            None => self.function.value_span(),
        }
    }

    /// What the handle is called.
    pub(crate) fn handle_name(&self) -> &Ident {
        self.options.handle.get().unwrap_or_else(|| self.function.name())
    }
}

/// `V` of `HashMap<K, V>`.
pub(crate) fn value_in_map(ty: &Type) -> Option<&Type> {
    let map = last_segment(Some(ty)).filter(|segment| segment.ident == "HashMap")?;
    generic_types(map)?.get(1).copied()
}

/// A function with `#[invalidate_cache]`, or what stands for the code around an `invalidate!`.
pub(crate) struct Invalidator {
    /// As messages call it.
    pub(crate) name: &'static str,
    /// Whether placeholders are local variables, and not arguments and the result of the function.
    pub(crate) is_local: bool,
    pub(crate) options: InvalidateOptions,
    pub(crate) function: Function,
    pub(crate) bindings: Vec<Binding>,
    pub(crate) krate: CratePath,
}

/// A cached function that may be expanded.
pub(crate) struct CachedPlan {
    pub(crate) key: KeyPlan,
    pub(crate) tags: Vec<Vec<Part>>,
}

/// How the key of a cached function comes about.
pub(crate) struct KeyPlan {
    pub(crate) namespace: Namespace,
    /// The template as people read it; behind the namespace only, when that is the function's path.
    pub(crate) text: String,
    pub(crate) render: Render,
}

/// What the key begins with.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Namespace {
    Text(String),
    /// `crate.module.function`, or `crate.module.Type.method`, which only rustc knows in full.
    FunctionPath,
}

pub(crate) enum Render {
    /// Literals and values, the namespace included where it is text.
    Parts(Vec<Part>),
    /// `{prefix}:{query_hash}` over arguments, by index.
    QueryHash { prefix: String, arguments: Vec<usize> },
    /// `{prefix}:{function(arguments)}`
    Custom {
        prefix: Option<String>,
        function: Expr,
        arguments: Vec<Source>,
    },
}

pub(crate) enum Part {
    Literal(String),
    Value(Value),
}

/// A placeholder whose name is resolved.
pub(crate) struct Value {
    pub(crate) source: Source,
    pub(crate) members: Vec<Member>,
    pub(crate) filter: Option<Filter>,
    pub(crate) next: Next,
    /// The template, where there is one.
    pub(crate) location: Option<Span>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// An argument, by index.
    Argument(usize),
    Receiver,
    /// A type or a constant that the function is generic over, by index.
    Generic(usize),
    /// What the function returned.
    Result,
}

/// What follows a value in its own segment, which decides what the value must escape.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The segment ends.
    End,
    /// A literal that begins with this byte.
    Byte(u8),
    /// Another value.
    Value,
}

impl KeyPlan {
    /// Whether the key takes something of `self`.
    pub(crate) fn uses_receiver(&self) -> bool {
        match &self.render {
            Render::Parts(parts) => parts
                .iter()
                .any(|part| matches!(part, Part::Value(value) if value.source == Source::Receiver)),
            Render::QueryHash { .. } => false,
            Render::Custom { arguments, .. } => arguments.contains(&Source::Receiver),
        }
    }

    /// The arguments that the key takes, by index, in the order of the signature.
    pub(crate) fn arguments(&self) -> Vec<usize> {
        let argument = |source: Source| match source {
            Source::Argument(index) => Some(index),
            Source::Receiver | Source::Generic(_) | Source::Result => None,
        };
        let mut indices: Vec<usize> = match &self.render {
            Render::Parts(parts) => parts
                .iter()
                .filter_map(|part| match part {
                    Part::Value(value) => argument(value.source),
                    Part::Literal(_) => None,
                })
                .collect(),
            Render::QueryHash { arguments, .. } => arguments.clone(),
            Render::Custom { arguments, .. } => arguments.iter().copied().filter_map(argument).collect(),
        };
        indices.sort_unstable();
        indices.dedup();
        indices
    }
}

impl KeyPlan {
    /// The generic parameters that the key takes by themselves, by index.
    pub(crate) fn generics(&self) -> impl Iterator<Item = usize> {
        let parts = match &self.render {
            Render::Parts(parts) => parts.as_slice(),
            Render::QueryHash { .. } | Render::Custom { .. } => &[],
        };
        parts.iter().filter_map(|part| match part {
            Part::Value(Value {
                source: Source::Generic(index),
                ..
            }) => Some(*index),
            _ => None,
        })
    }
}

/// A target that may be expanded.
pub(crate) struct TargetPlan {
    pub(crate) kind: TargetKind,
    /// The target as people read it: the text of a template, else the call.
    pub(crate) text: String,
    /// Whether it can only be told once the function has returned.
    pub(crate) needs_result: bool,
}

pub(crate) enum TargetKind {
    Function {
        path: ExprPath,
        arguments: Vec<Expr>,
    },
    WholeFunction {
        path: ExprPath,
    },
    Method {
        owner: MethodOwner,
        name: Ident,
        turbofish: Option<TokenStream>,
        arguments: Vec<Expr>,
    },
    /// The owner is a type's path.
    WholeMethod {
        owner: TokenStream,
        name: Ident,
    },
    Key(Vec<Part>),
    Pattern(Vec<Part>),
    Tag(Vec<Part>),
}
