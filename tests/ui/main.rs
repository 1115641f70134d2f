//! What must and what must not compile, with the exact messages.
//!
//! One mistake for each file in `ui/fail`, named for it. After a change of a message run with
//! `TRYBUILD=overwrite` and read the new texts as a user would.

mod bodies;
mod compiler;

#[test]
fn attributes_accept_and_refuse() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/pass/*.rs");
    cases.compile_fail("ui/fail/*.rs");
}
