//! Bytes as hexadecimal digits.

use super::IdError;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Writes two lower-case digits a byte into `text` and returns what it wrote.
///
/// # Panics
/// When `text` is shorter than twice the bytes.
pub fn write<'a>(bytes: &[u8], text: &'a mut [u8]) -> &'a str {
    let text = &mut text[..2 * bytes.len()];
    for (digits, byte) in text.chunks_exact_mut(2).zip(bytes) {
        digits[0] = DIGITS[usize::from(byte >> 4)];
        digits[1] = DIGITS[usize::from(byte & 15)];
    }
    std::str::from_utf8(text).expect("digits are ASCII")
}

/// Reads as many bytes as `bytes` has from digits of either case.
///
/// # Errors
/// [`IdError::WrongDigits`] when there are more or fewer digits; [`IdError::NotHex`] with the first place where there
/// is none. What `bytes` holds then is not said.
pub fn parse(text: &[u8], bytes: &mut [u8]) -> Result<(), IdError> {
    if text.len() != 2 * bytes.len() {
        return Err(IdError::WrongDigits { expected: 2 * bytes.len(), actual: text.len() });
    }
    for (byte, digits) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let (high, low) = (value(digits[0]), value(digits[1]));
        if (high | low) > 15 {
            let position = text.iter().position(|digit| value(*digit) > 15).unwrap_or_default();
            return Err(IdError::NotHex { position });
        }
        *byte = (high << 4) | low;
    }
    Ok(())
}

/// The value of each digit; 0xff for what is none.
const VALUES: [u8; 256] = {
    let mut values = [0xff; 256];
    let mut value = 0;
    while value < 16 {
        let digit = DIGITS[value as usize];
        values[digit as usize] = value;
        values[digit.to_ascii_uppercase() as usize] = value;
        value += 1;
    }
    values
};

fn value(digit: u8) -> u8 {
    VALUES[usize::from(digit)]
}
