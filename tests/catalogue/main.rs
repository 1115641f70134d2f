//! The catalogue of this program: what is annotated in its modules, and in the library that it is linked with. A program
//! of its own, since its rows are all that there are.

mod rows;
mod wrong;
