//! The arguments of a function: the names that the patterns of its parameters bind, with their types as far as pattern and
//! type show them. Which of them matter is not judged here. Invariant: what binds no name is no argument.

use proc_macro2::{Ident, Span};
use syn::ext::IdentExt;
use syn::{Attribute, FnArg, Pat, PatType, Token, Type};

use super::types::{generic_types, last_segment, name_in, ungrouped};
use super::{Function, conditions};

/// An argument: a name that a parameter's pattern binds.
pub(crate) struct Binding {
    pub(crate) name: Ident,
    /// The type, where pattern and parameter show it.
    pub(crate) ty: Option<Type>,
    /// Where what rustc finds about the argument is shown: its type, or the name inside a pattern.
    pub(crate) type_span: Span,
    /// The conditions under which the parameter exists.
    pub(crate) cfgs: Vec<Attribute>,
    /// Whether the parameter is `name: Type`, so that messages may underline it as a whole.
    pub(crate) is_plain: bool,
    pub(crate) origin: Origin,
}

/// Where an argument comes from, as far as its form tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// From the caller.
    Caller,
    /// Bound by `State(..)`, which is a dependency and no input.
    State,
    /// Of an extractor that takes it from the URL.
    Url,
    /// What `each` calls an element of an argument, in the place of that argument.
    Element,
}

impl Binding {
    pub(crate) fn is_element(&self) -> bool {
        self.origin == Origin::Element
    }

    /// The name without `r#`, as templates write it.
    pub(crate) fn plain_name(&self) -> String {
        self.name.unraw().to_string()
    }
}

impl Function {
    /// All arguments but the receiver, in order.
    pub(crate) fn bindings(&self) -> Vec<Binding> {
        let mut bindings = Vec::new();
        for input in &self.signature.inputs {
            if let FnArg::Typed(parameter) = input {
                let first = bindings.len();
                bind(&parameter.pat, Some(&parameter.ty), &mut bindings);
                let origin = if is_state(parameter) {
                    Origin::State
                } else if is_of_url(parameter) {
                    Origin::Url
                } else {
                    Origin::Caller
                };
                let cfgs: Vec<Attribute> = conditions(&parameter.attrs).cloned().collect();
                let is_plain = matches!(&*parameter.pat, Pat::Ident(pattern) if pattern.subpat.is_none());
                for binding in bindings.iter_mut().skip(first) {
                    binding.origin = origin;
                    binding.is_plain = is_plain;
                    binding.cfgs.clone_from(&cfgs);
                }
            }
        }
        bindings
    }
}

/// Adds the names that a pattern binds, with their types where the pattern takes the type apart visibly.
fn bind(pattern: &Pat, ty: Option<&Type>, bindings: &mut Vec<Binding>) {
    let ty = ty.map(ungrouped);
    match pattern {
        Pat::Ident(ident) => {
            let name = ident.ident.clone();
            if !is_unit_struct(ident, ty) {
                let type_span = ty.map_or_else(|| name.span(), name_in);
                bindings.push(Binding {
                    name,
                    ty: ty.cloned(),
                    type_span,
                    cfgs: Vec::new(),
                    is_plain: false,
                    origin: Origin::Caller,
                });
            }
            if let Some((_, inner)) = &ident.subpat {
                bind(inner, None, bindings);
            }
        }
        Pat::Reference(reference) => {
            let inner = match ty {
                Some(Type::Reference(ty)) => Some(&*ty.elem),
                _ => None,
            };
            bind(&reference.pat, inner, bindings);
        }
        Pat::Paren(paren) => bind(&paren.pat, ty, bindings),
        Pat::Type(typed) => bind(&typed.pat, Some(&typed.ty), bindings),
        Pat::Tuple(tuple) => {
            let types: Vec<_> = match ty {
                Some(Type::Tuple(types))
                    if types.elems.len() == tuple.elems.len() && !has_rest(&tuple.elems) =>
                {
                    types.elems.iter().map(Some).collect()
                }
                _ => tuple.elems.iter().map(|_| None).collect(),
            };
            for (pattern, ty) in tuple.elems.iter().zip(types) {
                bind(pattern, ty, bindings);
            }
        }
        Pat::TupleStruct(tuple) => {
            let inner = ty
                .and_then(|ty| wrapped_type(&tuple.path, ty))
                .filter(|_| tuple.elems.len() == 1);
            for pattern in &tuple.elems {
                bind(pattern, inner, bindings);
            }
        }
        Pat::Struct(pattern) => {
            for field in &pattern.fields {
                bind(&field.pat, None, bindings);
            }
        }
        Pat::Slice(slice) => {
            for pattern in &slice.elems {
                bind(pattern, None, bindings);
            }
        }
        // The cases of an or-pattern bind the same names.
        Pat::Or(cases) => {
            if let Some(first) = cases.cases.first() {
                bind(first, None, bindings);
            }
        }
        // What is left binds nothing, or is for rustc to refuse.
        _ => {}
    }
}

fn has_rest(patterns: &syn::punctuated::Punctuated<Pat, Token![,]>) -> bool {
    patterns.iter().any(|pattern| matches!(pattern, Pat::Rest(_)))
}

/// `Marker: Marker` matches a unit struct and binds nothing.
fn is_unit_struct(pattern: &syn::PatIdent, ty: Option<&Type>) -> bool {
    pattern.by_ref.is_none()
        && pattern.mutability.is_none()
        && last_segment(ty).is_some_and(|segment| segment.ident == pattern.ident)
}

/// `T` of `Path(x): Path<T>`: the pattern and the type end in the same name, and the type has one argument.
fn wrapped_type<'a>(pattern: &syn::Path, ty: &'a Type) -> Option<&'a Type> {
    let segment = last_segment(Some(ty))?;
    if pattern.segments.last()?.ident != segment.ident {
        return None;
    }
    generic_types(segment)
        .filter(|types| types.len() == 1)?
        .first()
        .copied()
}

/// `State(..): State<..>`, the one extractor that is a dependency by its meaning.
fn is_state(parameter: &PatType) -> bool {
    let Pat::TupleStruct(pattern) = &*parameter.pat else {
        return false;
    };
    let is_named = |segment: &syn::PathSegment| segment.ident == "State";
    pattern.path.segments.last().is_some_and(is_named)
        && last_segment(Some(&parameter.ty)).is_some_and(is_named)
}

/// An extractor of the path or the query, by its name.
fn is_of_url(parameter: &PatType) -> bool {
    last_segment(Some(&parameter.ty)).is_some_and(|segment| {
        let names = ["Path", "RawPathParams", "Query", "RawQuery", "OriginalUri", "Uri"];
        names.iter().any(|name| segment.ident == name)
    })
}

#[cfg(test)]
mod tests {
    use proc_macro2::TokenStream;
    use quote::{ToTokens, quote};

    use super::Function;

    fn bindings(item: TokenStream) -> Vec<(String, String)> {
        let Ok(function) = Function::parse(item, "cache_result") else {
            panic!("no function")
        };
        let describe = |ty: &syn::Type| ty.to_token_stream().to_string().replace(' ', "");
        function
            .bindings()
            .iter()
            .map(|binding| {
                (
                    binding.plain_name(),
                    binding.ty.as_ref().map_or("?".to_owned(), describe),
                )
            })
            .collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected
            .iter()
            .map(|(name, ty)| ((*name).to_owned(), (*ty).to_owned()))
            .collect()
    }

    #[test]
    fn plain_arguments_have_their_types() {
        let found = bindings(quote!(
            async fn f(&self, a: u64, mut b: &str, r#type: String, _: u8) {}
        ));
        assert_eq!(found, pairs(&[("a", "u64"), ("b", "&str"), ("type", "String")]));
    }

    #[test]
    fn extractors_show_what_is_inside() {
        let found = bindings(quote! {
            async fn f(
                Path((a, b)): axum::extract::Path<(u64, String)>,
                extract::Query(q): Query<Search>,
                Search { text, page: p, .. }: Search,
                Other(x): Wrapper<u8>,
                Marker: Marker,
            ) {}
        });
        let expected = [
            ("a", "u64"),
            ("b", "String"),
            ("q", "Search"),
            ("text", "?"),
            ("p", "?"),
            ("x", "?"),
        ];
        assert_eq!(found, pairs(&expected));
    }
}
