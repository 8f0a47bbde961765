//! Behind the headers of `ray/common/scheduling`: one module for each kind of state that crosses.
//!
//! Sets and instances are C++'s memory, and Rust works on it as slices; names are Rust's.

mod instances;
mod labels;
mod names;
mod sets;

/// A slice of C++'s.
///
/// # Safety
///
/// `start` is null, or `length` values of type `T` lie there, which nobody changes while the slice is used.
unsafe fn slice<'a, T, U>(start: *const U, length: usize) -> &'a [T] {
    if length == 0 {
        return &[];
    }
    // SAFETY: said above.
    unsafe { std::slice::from_raw_parts(start.cast(), length) }
}

/// The same, to change it.
///
/// # Safety
///
/// As above, and nobody else looks at it either.
unsafe fn slice_mut<'a, T, U>(start: *mut U, length: usize) -> &'a mut [T] {
    if length == 0 {
        return &mut [];
    }
    // SAFETY: said above.
    unsafe { std::slice::from_raw_parts_mut(start.cast(), length) }
}
