//! The little HTML that a notebook shows without any extension: escaped text and inline styles.
//!
//! Notebooks that were not run here are cleaned by the frontend: `<script>`, `<style>` and
//! `<svg>` are removed, tables and `style=""` stay. So every style is inline, and colors are
//! JupyterLab's theme variables with a fallback that is readable on white and on black.

/// Text color of what matters less: types, units, NULL.
pub const MUTED: &str = "color:var(--jp-ui-font-color2,#767676)";

/// Escapes text for element content and for attribute values in double quotes.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(character),
        }
    }
    out
}

/// A number with thousands separators, for status lines: `1,234,567`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 row`, `2,000 rows`: a count with its noun, which gets an `s` when it is not one.
#[must_use]
pub fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number))
}
