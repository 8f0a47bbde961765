//! What Ray's own workers write and read: frames, errors, arrays of NumPy.

mod array;
pub(crate) mod error;
pub(crate) mod frame;
mod pickle;

pub use array::{ArrayOrder, ByteOrder, NumpyArray, NumpyType};
