//! The parameters of what stands beside a cached function: the keyed arguments by reference, or all of its own.
//!
//! Not what is done with them. The invariant is that the keyed arguments come in the order of the signature, and that
//! no generic parameter is declared that nothing mentions.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Attribute, Expr, FnArg, GenericParam, Type, WherePredicate};

use super::render::{is_string, is_users_reference};
use crate::model::{Cached, KeyPlan, Part, Render, Source};
use crate::signature::{Binding, Function, conditions, ungrouped};
use crate::span::mixed;
use crate::template::Filter;

/// The keyed arguments.
pub(super) struct Parameters {
    pub(super) list: TokenStream,
    /// The same, to be passed on.
    pub(super) names: TokenStream,
    /// The generic parameters that the key takes by themselves.
    keyed: BTreeSet<String>,
}

impl Parameters {
    /// The keyed arguments by reference; none when the key takes a field of an argument whose type is hidden in a
    /// pattern, since such a parameter could not be declared.
    pub(super) fn keyed(cached: &Cached, plan: &KeyPlan) -> Option<Self> {
        let span = Span::mixed_site();
        let mut list = TokenStream::new();
        let mut names = TokenStream::new();
        for index in plan.arguments() {
            let binding = cached.bindings.get(index)?;
            let ty = match &binding.ty {
                Some(ty) => by_reference(binding, ty),
                None => hidden_type(cached, plan, index)?,
            };
            let Binding { name, cfgs, .. } = binding;
            list.extend(quote_spanned!(span=> #(#cfgs)* #name: #ty,));
            names.extend(quote_spanned!(span=> #(#cfgs)* #name,));
        }
        let declared = &cached.function.signature.generics.params;
        let keyed = plan
            .generics()
            .filter_map(|index| declared.get(index))
            .map(parameter_name)
            .collect();
        Some(Self { list, names, keyed })
    }

    /// The generic parameters that these parameters mention, or a return type, and what is said about them.
    pub(super) fn generics(
        &self,
        function: &Function,
        returned: Option<&Type>,
    ) -> (TokenStream, TokenStream, TokenStream) {
        let mut mentioned = self.keyed.clone();
        words(self.list.clone(), &mut mentioned);
        words(returned.to_token_stream(), &mut mentioned);
        generics(function, mentioned)
    }
}

/// The function's own parameters under names of ours, and the same to be passed on.
// Input:  Path(id): Path<u64>, mut name: String
// Output: `__0: Path<u64>, __1: String`, `__0, __1`
pub(super) fn own(function: &Function) -> (TokenStream, TokenStream) {
    let span = Span::mixed_site();
    let mut list = TokenStream::new();
    let mut names = TokenStream::new();
    let arguments = function.signature.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(parameter) => Some(parameter),
        FnArg::Receiver(_) => None,
    });
    for (index, parameter) in arguments.enumerate() {
        let name = format_ident!("__{index}", span = span);
        let cfgs: Vec<&Attribute> = conditions(&parameter.attrs).collect();
        let ty = &parameter.ty;
        list.extend(quote_spanned!(span=> #(#cfgs)* #name: #ty,));
        names.extend(quote_spanned!(span=> #(#cfgs)* #name,));
    }
    (list, names)
}

/// The types and constants of a generic function, to be named in a call.
pub(super) fn turbofish(function: &Function) -> Option<TokenStream> {
    let names: Vec<&Ident> = function
        .signature
        .generics
        .params
        .iter()
        .filter_map(|parameter| match parameter {
            GenericParam::Type(parameter) => Some(&parameter.ident),
            GenericParam::Const(parameter) => Some(&parameter.ident),
            GenericParam::Lifetime(_) => None,
        })
        .collect();
    (!names.is_empty()).then(|| quote!(::<#(#names),*>))
}

/// `&T` as it is, `String` as `&str`, another `T` as `&T`.
fn by_reference(binding: &Binding, ty: &Type) -> TokenStream {
    let span = Span::mixed_site();
    if is_users_reference(binding) {
        return ungrouped(ty).to_token_stream();
    }
    match ungrouped(ty) {
        ty if is_string(ty) => quote_spanned!(span=> &str),
        Type::ImplTrait(ty) => quote_spanned!(span=> &(#ty)),
        ty => quote_spanned!(span=> &#ty),
    }
}

/// What can be said of an argument that a pattern takes out of a type that the signature does not show.
fn hidden_type(cached: &Cached, plan: &KeyPlan, index: usize) -> Option<TokenStream> {
    let span = Span::mixed_site();
    let krate = cached.krate.at(span);
    match &plan.render {
        Render::QueryHash { .. } => Some(quote_spanned!(span=> &impl #krate::bound::Canonical)),
        Render::Custom { .. } => None,
        Render::Parts(parts) => {
            let mut uses = parts.iter().filter_map(|part| match part {
                Part::Value(value) if value.source == Source::Argument(index) => Some(value),
                _ => None,
            });
            uses.all(|value| value.members.is_empty() && value.filter != Some(Filter::Lower))
                .then(|| quote_spanned!(span=> &impl #krate::CacheKey))
        }
    }
}

/// The generic parameters of a function that are mentioned, what is said about them, and their names for a call.
fn generics(function: &Function, mut mentioned: BTreeSet<String>) -> (TokenStream, TokenStream, TokenStream) {
    let declared = &function.signature.generics;
    // A kept parameter's bounds may mention another one.
    loop {
        let before = mentioned.len();
        for parameter in &declared.params {
            if mentioned.contains(&parameter_name(parameter)) {
                words(parameter.to_token_stream(), &mut mentioned);
            }
        }
        if mentioned.len() == before {
            break;
        }
    }
    let (kept, dropped): (Vec<_>, Vec<_>) = declared
        .params
        .iter()
        .partition(|parameter| mentioned.contains(&parameter_name(parameter)));
    if kept.is_empty() {
        return (TokenStream::new(), TokenStream::new(), TokenStream::new());
    }
    let dropped: Vec<String> = dropped.into_iter().map(parameter_name).collect();
    let predicates: Vec<&WherePredicate> = declared
        .where_clause
        .iter()
        .flat_map(|clause| &clause.predicates)
        .filter(|predicate| {
            let mut used = BTreeSet::new();
            words(predicate.to_token_stream(), &mut used);
            dropped.iter().all(|name| !used.contains(name))
        })
        .collect();
    let names: Vec<_> = kept
        .iter()
        .filter_map(|parameter| match parameter {
            GenericParam::Type(parameter) => Some(&parameter.ident),
            GenericParam::Const(parameter) => Some(&parameter.ident),
            GenericParam::Lifetime(_) => None,
        })
        .collect();
    let span = Span::mixed_site();
    let clause = (!predicates.is_empty()).then(|| quote_spanned!(span=> where #(#predicates),*));
    let names = (!names.is_empty()).then(|| quote_spanned!(span=> ::<#(#names),*>));
    (
        quote_spanned!(span=> <#(#kept),*>),
        clause.unwrap_or_default(),
        names.unwrap_or_default(),
    )
}

pub(crate) fn parameter_name(parameter: &GenericParam) -> String {
    match parameter {
        GenericParam::Lifetime(parameter) => parameter.lifetime.ident.to_string(),
        GenericParam::Type(parameter) => parameter.ident.to_string(),
        GenericParam::Const(parameter) => parameter.ident.to_string(),
    }
}

/// All identifiers in tokens, those of lifetimes included.
pub(crate) fn words(tokens: TokenStream, found: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(word) => {
                found.insert(word.to_string());
            }
            TokenTree::Group(group) => words(group.stream(), found),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// Whether an option's expression mentions an argument of the function, or `self`.
pub(super) fn mention_an_argument(cached: &Cached, expression: &Expr) -> bool {
    let mut used = BTreeSet::new();
    variables(expression.to_token_stream(), &mut used);
    if let Expr::Closure(closure) = expression {
        // Its parameters are names of its own.
        let mut own = BTreeSet::new();
        words(closure.inputs.to_token_stream(), &mut own);
        used.retain(|name| !own.contains(name));
    }
    used.contains("self")
        || cached
            .bindings
            .iter()
            .chain(cached.each.as_ref().map(|each| &each.argument))
            .any(|binding| used.contains(&binding.name.to_string()))
}

/// All identifiers in tokens but fields and methods.
fn variables(tokens: TokenStream, found: &mut BTreeSet<String>) {
    let mut dots = 0;
    for token in tokens {
        match &token {
            TokenTree::Ident(word) if dots != 1 => {
                found.insert(word.to_string());
            }
            TokenTree::Group(group) => variables(group.stream(), found),
            TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
        dots = match &token {
            TokenTree::Punct(punct) if punct.as_char() == '.' => dots + 1,
            _ => 0,
        };
    }
}

/// The name of a function with the hygiene of generated code.
pub(super) fn own_name(name: &Ident) -> Ident {
    let mut name = name.clone();
    name.set_span(mixed(name.span()));
    name
}
