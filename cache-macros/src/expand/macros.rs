//! What stands in bodies: `key!`, `entry!` and `invalidate!`.
//!
//! They take local variables where the attributes take arguments. The invariant is that each is one expression, which
//! owns what it needs once it is made.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

use super::handle::hidden_name;
use super::invalidator::{call_of_handle, is_self, target, uncached, with_colons};
use super::render::{Context, Place};
use super::site::{row_of_invalidator, site};
use super::{manager, reference};
use crate::attr::MethodOwner;
use crate::model::{Invalidator, Part, TargetKind, TargetPlan};
use crate::span::mixed;

// Input:  "lead:{id}"
// Output: key_of(|k| { k.literal("lead:"); CacheKey::write_key(&id, k); })
pub(crate) fn key(around: &Invalidator, parts: &[Part]) -> TokenStream {
    let span = Span::mixed_site();
    let private = around.krate.private(span);
    let render = context(around).literal_key(parts);
    quote_spanned!(span=> #private::key_of(#render))
}

// Input:  get_lead(id), "campaign:{id}:*"
// Output: { { static SITE: Site = ..; register!(SITE); } let mut targets = Targets::here(None); targets.key(get_lead::key(&id)); ..;
//           targets.drop_all() }
pub(crate) fn invalidate(around: &Invalidator, targets: &[TargetPlan]) -> TokenStream {
    let span = Span::mixed_site();
    let private = around.krate.private(span);
    let manager = manager(around.options.manager.get(), &around.krate);
    // In a block of its own, as that of a function that invalidates.
    let site = site(&around.krate, &row_of_invalidator(around, targets));
    let targets = targets.iter().map(|plan| target(around, plan));
    quote_spanned! {span=>
        {
            { #site }
            let mut __targets = #private::Targets::here(#manager);
            #(#targets)*
            __targets.drop_all()
        }
    }
}

// Input:  repo.get(id)
// Output: seen!(repo.__cache_entry_get(&id))
pub(crate) fn entry(around: &Invalidator, kind: &TargetKind) -> TokenStream {
    let span = Span::mixed_site();
    let private = around.krate.private(span);
    let place = match kind {
        TargetKind::Function { path, arguments } => {
            let entry = call_of_handle(path, "__entry", arguments);
            return quote_spanned!(span=> #private::here(#entry));
        }
        TargetKind::Method {
            owner,
            name,
            turbofish,
            arguments,
        } => {
            let hidden = hidden_name("entry", name, name.span());
            let references = arguments.iter().map(reference);
            let at = mixed(name.span());
            match owner {
                MethodOwner::Type(owner) => {
                    let krate = around.krate.at(at);
                    let uncached = turbofish
                        .is_none()
                        .then(|| uncached(around, &hidden, arguments.len()));
                    let turbofish = turbofish.as_ref().map(with_colons);
                    let place = quote_spanned!(at=> #owner::#hidden #turbofish(#(#references),*));
                    quote_spanned!(at=> { #uncached #krate::bound::HasEntry::entry(#place) })
                }
                MethodOwner::Value(value) if turbofish.is_none() && is_self(value) => {
                    let krate = around.krate.at(at);
                    let uncached = uncached(around, &hidden, arguments.len() + 1);
                    let place = quote_spanned!(at=> Self::#hidden(&#value #(, #references)*));
                    quote_spanned!(at=> { #uncached #krate::bound::HasEntry::entry(#place) })
                }
                MethodOwner::Value(value) => {
                    quote_spanned!(at=> #value.#hidden #turbofish(#(#references),*))
                }
            }
        }
        TargetKind::WholeFunction { .. }
        | TargetKind::WholeMethod { .. }
        | TargetKind::Key(_)
        | TargetKind::Pattern(_)
        | TargetKind::Tag(_) => TokenStream::new(),
    };
    quote_spanned!(span=> #private::seen!(#place))
}

fn context(around: &Invalidator) -> Context<'_> {
    Context {
        krate: &around.krate,
        function: &around.function,
        bindings: &around.bindings,
        place: Place::Function,
    }
}
