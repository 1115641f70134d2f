//! The annotated function: its parts as tokens, and the arguments that its patterns bind.
//!
//! Bodies are never parsed, so a half-typed one keeps rustc's own messages. Nothing is judged here, except that
//! an item is a function at all. The invariant is that an item prints as it was read, but for our attribute.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, TokenStreamExt};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{
    Attribute, FnArg, GenericArgument, Member, Pat, PatType, PathArguments, Receiver, ReturnType, Token,
    Type, Visibility,
};

use crate::errors::Message;
use crate::span::first;

/// An `async fn` as far as an attribute needs to know it.
#[derive(Clone)]
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) signature: syn::Signature,
    pub(crate) body: TokenTree,
    pub(crate) home: Home,
}

/// Where a function stands, as far as an attribute can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Home {
    /// A module, a body, or an impl block that says nothing.
    Anywhere,
    /// An impl block with `#[cache_impl]`.
    Impl,
    /// An impl block of a trait, with `#[cache_impl]`.
    TraitImpl,
}

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
    /// Reads an item, or says that it is none that an attribute can go on.
    pub(crate) fn parse(item: TokenStream, attribute: &str) -> syn::Result<Self> {
        let item = syn::parse2::<Item>(item)?;
        match item {
            Item::Function(function) => Ok(*function),
            Item::Other { keyword } => {
                let message = Message::new(format_args!("`#[{attribute}]` goes on an `async fn`"))
                    .help("put it on the function whose result matters");
                Err(message.into_error(keyword))
            }
            Item::NoBody { semicolon } => {
                let message = Message::new(format_args!("`#[{attribute}]` needs a function with a body"))
                    .help("put it on the implementation, the declaration in a trait runs nothing");
                Err(message.into_error(semicolon))
            }
        }
    }

    pub(crate) fn name(&self) -> &Ident {
        &self.signature.ident
    }

    /// The name without `r#`.
    pub(crate) fn plain_name(&self) -> String {
        self.name().unraw().to_string()
    }

    /// Whether it belongs to a type.
    pub(crate) fn is_associated(&self) -> bool {
        self.receiver().is_some() || self.home != Home::Anywhere
    }

    /// Who may see what stands beside it. Methods of a trait have none of their own to say so.
    pub(crate) fn visibility_beside(&self) -> Visibility {
        match self.home {
            Home::TraitImpl => syn::parse_quote!(pub),
            Home::Anywhere | Home::Impl => self.visibility.clone(),
        }
    }

    /// Whether it returns a boxed future, which is what `#[async_trait]` makes of an `async fn`.
    pub(crate) fn is_boxed(&self) -> bool {
        self.signature.asyncness.is_none() && self.boxed_output().is_some()
    }

    fn boxed_output(&self) -> Option<&Type> {
        let ReturnType::Type(_, ty) = &self.signature.output else {
            return None;
        };
        output_of_boxed_future(ty)
    }

    /// The type of the result, where one is written.
    fn returned(&self) -> Option<&Type> {
        if self.signature.asyncness.is_none()
            && let Some(output) = self.boxed_output()
        {
            return Some(output);
        }
        match &self.signature.output {
            ReturnType::Type(_, ty) => Some(ty),
            ReturnType::Default => None,
        }
    }

    pub(crate) fn receiver(&self) -> Option<&Receiver> {
        self.signature.receiver()
    }

    /// The return type; a function without one returns `()`.
    pub(crate) fn return_type(&self) -> Type {
        match self.returned() {
            Some(ty) => ty.clone(),
            None => Type::Tuple(syn::TypeTuple {
                attrs: Vec::new(),
                paren_token: syn::token::Paren::default(),
                elems: syn::punctuated::Punctuated::new(),
            }),
        }
    }

    /// Where the return type begins.
    pub(crate) fn return_span(&self) -> Span {
        self.returned().map_or_else(|| self.name().span(), first)
    }

    /// The type of the returned value, without what is around it.
    pub(crate) fn value_type(&self) -> Option<&Type> {
        self.returned().map(value_of)
    }

    /// Where what rustc finds about the returned value is shown.
    pub(crate) fn value_span(&self) -> Span {
        self.value_type().map_or_else(|| self.name().span(), name_in)
    }

    /// Where what rustc finds about the returned error is shown: the last type of a `Result<.., E>`, and else the whole.
    pub(crate) fn error_span(&self) -> Span {
        let Some(ty) = self.returned() else {
            return self.name().span();
        };
        let error = last_segment(Some(ty))
            .and_then(generic_types)
            .and_then(|types| types.get(1).copied());
        name_in(error.unwrap_or(ty))
    }

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

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.append_all(&self.attributes);
        self.visibility.to_tokens(tokens);
        self.signature.to_tokens(tokens);
        self.body.to_tokens(tokens);
    }
}

/// What the attribute was put on.
enum Item {
    Function(Box<Function>),
    NoBody { semicolon: Span },
    Other { keyword: Span },
}

impl Parse for Item {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility: Visibility = input.parse()?;
        if input.peek(Token![default]) && !input.peek2(Token![!]) {
            // A specialised method is not worth a message of its own; rustc has one.
            input.parse::<Token![default]>()?;
        }
        if !starts_function(input) {
            let keyword = input.span();
            input.parse::<TokenStream>()?;
            return Ok(Self::Other { keyword });
        }
        let signature: syn::Signature = input.parse()?;
        if input.peek(Token![;]) {
            let semicolon = input.parse::<Token![;]>()?.span();
            return Ok(Self::NoBody { semicolon });
        }
        let body: TokenTree = input.parse()?;
        Ok(Self::Function(Box::new(Function {
            attributes,
            visibility,
            signature,
            body,
            home: Home::Anywhere,
        })))
    }
}

/// Whether the signature of a function is next.
pub(crate) fn starts_function(input: ParseStream<'_>) -> bool {
    input.peek(Token![fn])
        || input.peek(Token![async])
        || (input.peek(Token![const])
            && (input.peek2(Token![fn]) || input.peek2(Token![async]) || input.peek2(Token![unsafe])))
        || (input.peek(Token![unsafe]) && (input.peek2(Token![fn]) || input.peek2(Token![extern])))
        || (input.peek(Token![extern]) && (input.peek2(Token![fn]) || input.peek3(Token![fn])))
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

/// The type arguments of a path segment, if it has arguments and all are types.
pub(crate) fn generic_types(segment: &syn::PathSegment) -> Option<Vec<&Type>> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return None;
    };
    arguments
        .args
        .iter()
        .map(|argument| match argument {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        })
        .collect()
}

/// The first type argument of a path segment.
pub(crate) fn first_type_argument(segment: &syn::PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// The last segment of a type that is a path.
pub(crate) fn last_segment(ty: Option<&Type>) -> Option<&syn::PathSegment> {
    match ungrouped(ty?) {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

/// The type itself, where parentheses or a macro's invisible group stand around it.
pub(crate) fn ungrouped(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => ungrouped(&group.elem),
        Type::Paren(paren) => ungrouped(&paren.elem),
        _ => ty,
    }
}

/// What is inside of `Result`, `Option`, `Json` and `Arc`, by their names.
pub(crate) fn value_of(ty: &Type) -> &Type {
    let ty = ungrouped(ty);
    let inner = last_segment(Some(ty)).and_then(|segment| {
        let name = segment.ident.to_string();
        let wraps = name.ends_with("Result") || matches!(name.as_str(), "Option" | "Json" | "Arc");
        first_type_argument(segment).filter(|_| wraps)
    });
    inner.map_or(ty, value_of)
}

/// The token of a type that says most: the last name of a path, behind references.
pub(crate) fn name_in(ty: &Type) -> Span {
    match ungrouped(ty) {
        Type::Reference(reference) => name_in(&reference.elem),
        Type::Path(path) => path
            .path
            .segments
            .last()
            .map_or_else(|| first(ty), |segment| segment.ident.span()),
        ty => first(ty),
    }
}

/// The attributes that say when something exists.
pub(crate) fn conditions(attributes: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attributes.iter().filter(|attribute| {
        attribute.path().is_ident("cfg")
            || (attribute.path().is_ident("cfg_attr") && gives_a_cfg(&attribute.meta.to_token_stream()))
    })
}

/// Whether one of the attributes that a `cfg_attr` stands for is a `cfg`.
fn gives_a_cfg(meta: &TokenStream) -> bool {
    let Some(TokenTree::Group(group)) = meta.clone().into_iter().last() else {
        return false;
    };
    let mut at_start = false;
    group.stream().into_iter().any(|token| {
        let is_cfg = at_start && matches!(&token, TokenTree::Ident(name) if name == "cfg");
        at_start = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == ',');
        is_cfg
    })
}

/// `T` of `Pin<Box<dyn Future<Output = T> + ..>>`.
fn output_of_boxed_future(ty: &Type) -> Option<&Type> {
    let pinned = last_segment(Some(ty)).filter(|segment| segment.ident == "Pin")?;
    let boxed = last_segment(first_type_argument(pinned)).filter(|segment| segment.ident == "Box")?;
    let Type::TraitObject(object) = ungrouped(first_type_argument(boxed)?) else {
        return None;
    };
    object.bounds.iter().find_map(|bound| {
        let syn::TypeParamBound::Trait(bound) = bound else {
            return None;
        };
        let future = bound
            .path
            .segments
            .last()
            .filter(|segment| segment.ident == "Future")?;
        let PathArguments::AngleBracketed(arguments) = &future.arguments else {
            return None;
        };
        arguments.args.iter().find_map(|argument| match argument {
            GenericArgument::AssocType(output) if output.ident == "Output" => Some(&output.ty),
            _ => None,
        })
    })
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

/// A field as a template names it, located at `span`.
pub(crate) fn member(field: &crate::template::Field, span: Span) -> syn::Result<Member> {
    use crate::template::Field;
    match field {
        Field::Index(index) => Ok(Member::Unnamed(syn::Index { index: *index, span })),
        Field::Named(name) => {
            let parsed =
                syn::parse_str::<Ident>(name).or_else(|_| syn::parse_str::<Ident>(&format!("r#{name}")));
            let mut ident = parsed.map_err(|_| syn::Error::new(span, format!("`{name}` is not a field")))?;
            ident.set_span(span);
            Ok(Member::Named(ident))
        }
    }
}

#[cfg(test)]
// A test fails by a panic.
#[allow(clippy::panic)]
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

    #[test]
    fn a_half_typed_body_is_kept_as_it_is() {
        let body = quote!(async fn f() -> u8 { let x = ; foo( ) . });
        let Ok(function) = Function::parse(body.clone(), "cache_result") else {
            panic!("no function")
        };
        assert_eq!(function.to_token_stream().to_string(), body.to_string());
    }

    #[test]
    fn other_items_are_refused() {
        for item in [
            quote!(
                struct S;
            ),
            quote!(
                pub enum E {}
            ),
            quote!(impl S {}),
            quote!(
                const X: u8 = 1;
            ),
            quote!(let x = 1;),
        ] {
            let Err(error) = Function::parse(item.clone(), "cache_result") else {
                panic!("{item} is no function")
            };
            assert!(
                error
                    .to_string()
                    .starts_with("`#[cache_result]` goes on an `async fn`"),
                "{error}"
            );
        }
        assert!(
            Function::parse(
                quote!(
                    async fn f(&self);
                ),
                "cache_result"
            )
            .is_err()
        );
    }
}
