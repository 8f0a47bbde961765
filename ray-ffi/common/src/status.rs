//! Behind `status.h`: codes and their texts.

use std::pin::Pin;

use cxx::CxxString;
use ray_common::status::{describe_with, Location, StatusCode, UNKNOWN_CODE};

#[cxx::bridge(namespace = "plasma_rs::statuses")]
mod ffi {
    extern "Rust" {
        /// The text of a code; that of no code for a number that is none.
        fn code_text(number: i8) -> &'static str;
        fn code_of_text(text: &[u8]) -> i8;
        /// Appends to `text`. An empty file says that the place is not known.
        fn status_text(
            number: i8,
            message: &[u8],
            rpc_code: i32,
            file: &[u8],
            line: i32,
            text: Pin<&mut CxxString>,
        );
    }
}

fn code_text(number: i8) -> &'static str {
    StatusCode::from_number(number).map_or(UNKNOWN_CODE, StatusCode::as_str)
}

fn code_of_text(text: &[u8]) -> i8 {
    StatusCode::of_text(text).number()
}

fn status_text(
    number: i8,
    message: &[u8],
    rpc_code: i32,
    file: &[u8],
    line: i32,
    mut text: Pin<&mut CxxString>,
) {
    let location = (!file.is_empty()).then_some(Location { file, line });
    describe_with(number, message, rpc_code, location, |pieces| {
        text.as_mut().reserve(pieces.iter().map(|piece| piece.len()).sum());
        for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
            text.as_mut().push_bytes(piece);
        }
    });
}
