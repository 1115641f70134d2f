//! What must and what must not compile, with the exact messages.
//!
//! One mistake for each file in `ui/fail`, named for it. After a change of a message run with
//! `UI_OVERWRITE=1` and read the new texts as a user would. `UI_ONLY=text` takes the files whose names contain the text.

mod bodies;
mod compiler;
mod gallery;
mod goldens;
