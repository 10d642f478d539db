//! A text as words, names, texts and comments: it need not be a statement yet, nor have an end.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LexemeKind {
    Word,
    /// In backticks.
    Quoted,
    /// In single quotes.
    Text,
    Comment,
    Symbol(char),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Lexeme<'a> {
    pub(super) kind: LexemeKind,
    /// Without quotes.
    pub(super) value: &'a str,
    /// With quotes.
    pub(super) start: usize,
    pub(super) end: usize,
    /// Whether it goes on at its end: a word, a quote without its end, a comment up to a line end.
    pub(super) is_open: bool,
}

impl Lexeme<'_> {
    pub(super) fn is(&self, word: &str) -> bool {
        self.kind == LexemeKind::Word && self.value.eq_ignore_ascii_case(word)
    }

    pub(super) fn is_symbol(&self, symbol: char) -> bool {
        self.kind == LexemeKind::Symbol(symbol)
    }

    pub(super) fn is_name(&self) -> bool {
        matches!(self.kind, LexemeKind::Word | LexemeKind::Quoted)
    }
}

pub(super) fn split(text: &str) -> Vec<Lexeme<'_>> {
    let mut lexemes = Vec::new();
    let mut start = 0;
    while let Some(c) = text[start..].chars().next() {
        let rest = &text[start..];
        let (kind, length) = if c.is_whitespace() {
            start += c.len_utf8();
            continue;
        } else if rest.starts_with("--") {
            (LexemeKind::Comment, rest.find('\n').unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            let end = rest.find("*/").map_or(rest.len(), |end| end + 2);
            (LexemeKind::Comment, end)
        } else if c == '\'' {
            let length = quoted_length(rest, c).unwrap_or(rest.len());
            (LexemeKind::Text, length)
        } else if c == '`' {
            // A name that is being written has no end yet, and must not swallow the statement.
            let word = rest[1..]
                .find(|c| !is_word_char(c))
                .map_or(rest.len(), |end| end + 1);
            (LexemeKind::Quoted, quoted_length(rest, c).unwrap_or(word))
        } else if is_word_char(c) {
            let end = rest.find(|c| !is_word_char(c)).unwrap_or(rest.len());
            (LexemeKind::Word, end)
        } else {
            (LexemeKind::Symbol(c), c.len_utf8())
        };
        let end = start + length;
        let is_quoted = matches!(kind, LexemeKind::Text | LexemeKind::Quoted);
        let is_closed = match kind {
            LexemeKind::Text | LexemeKind::Quoted => length > 1 && text[..end].ends_with(c),
            LexemeKind::Comment => text[..end].ends_with("*/"),
            LexemeKind::Word => false,
            LexemeKind::Symbol(_) => true,
        };
        lexemes.push(Lexeme {
            kind,
            value: &text[start + usize::from(is_quoted)..end - usize::from(is_quoted && is_closed)],
            start,
            end,
            is_open: !is_closed,
        });
        start = end;
    }
    lexemes
}

/// Length of a quoted text that begins here, if it ends; a doubled quote does not end it.
pub(super) fn quoted_length(text: &str, quote: char) -> Option<usize> {
    let mut offset = 1;
    while let Some(found) = text[offset..].find(quote) {
        offset += found + 1;
        if !text[offset..].starts_with(quote) {
            return Some(offset);
        }
        offset += 1;
    }
    None
}

pub(super) fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

pub(super) fn statement_around<'a, 'b>(
    lexemes: &'b [Lexeme<'a>],
    cursor: usize,
) -> &'b [Lexeme<'a>] {
    let is_end = |lexeme: &Lexeme| lexeme.is_symbol(';');
    let from = lexemes
        .iter()
        .rposition(|lexeme| is_end(lexeme) && lexeme.end <= cursor)
        .map_or(0, |idx| idx + 1);
    let rest = lexemes.get(from..).unwrap_or_default();
    let to = rest.iter().position(is_end).unwrap_or(rest.len());
    rest.get(..to).unwrap_or_default()
}
