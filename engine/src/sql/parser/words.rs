//! The parser's small change: words, names, strings, options, places.

use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Location, Span, Token};

use super::{ParseResult, StatementParser};
use crate::sql::reserved::is_reserved;
use crate::sql::statement::{Ident, ObjectPath, OptionEntry};

impl StatementParser<'_, '_> {
    /// The n-th word ahead in upper case, if it is a word without quotes.
    pub(super) fn peek_word(&self, n: usize) -> Option<String> {
        match &self.parser.peek_nth_token_ref(n).token {
            Token::Word(word) if word.quote_style.is_none() => {
                Some(word.value.to_ascii_uppercase())
            }
            _ => None,
        }
    }

    pub(super) fn peek_is(&self, n: usize, word: &str) -> bool {
        self.peek_word(n).is_some_and(|found| found == word)
    }

    pub(super) fn peek_are(&self, words: &[&str]) -> bool {
        words
            .iter()
            .enumerate()
            .all(|(n, word)| self.peek_is(n, word))
    }

    /// Moves over the word if it is the next.
    pub(super) fn eat(&mut self, word: &str) -> bool {
        let found = self.peek_is(0, word);
        if found {
            self.parser.advance_token();
        }
        found
    }

    /// Moves over the words if all of them are next, in this order.
    pub(super) fn eat_all(&mut self, words: &[&str]) -> bool {
        let found = self.peek_are(words);
        if found {
            for _ in words {
                self.parser.advance_token();
            }
        }
        found
    }

    pub(super) fn expect(&mut self, word: &str) -> ParseResult<()> {
        if self.eat(word) {
            return Ok(());
        }
        self.expected(word)
    }

    pub(super) fn expect_all(&mut self, words: &[&str]) -> ParseResult<()> {
        words.iter().try_for_each(|word| self.expect(word))
    }

    pub(super) fn eat_token(&mut self, token: &Token) -> bool {
        self.parser.consume_token(token)
    }

    pub(super) fn expect_token(&mut self, token: &Token) -> ParseResult<()> {
        self.parser.expect_token(token).map(|_| ())
    }

    pub(super) fn expect_end(&mut self) -> ParseResult<()> {
        if self.parser.peek_token_ref().token == Token::EOF {
            return Ok(());
        }
        self.expected("the end of the statement")
    }

    /// The error that something else stands here.
    pub(super) fn expected<T>(&self, what: &str) -> ParseResult<T> {
        self.parser.expected_ref(what, self.parser.peek_token_ref())
    }

    /// An error with a message of its own at a place.
    pub(super) fn fail<T>(&self, message: &str, at: Location) -> ParseResult<T> {
        Err(ParserError::ParserError(format!("{message}{at}")))
    }

    /// A name; reserved words must be quoted.
    pub(super) fn ident(&mut self) -> ParseResult<Ident> {
        let token = self.parser.peek_token_ref();
        let Token::Word(word) = &token.token else {
            return self.expected("a name");
        };
        let ident = word.clone().into_ident(token.span);
        if word.quote_style.is_none() && is_reserved(&word.value) {
            return self.reserved_name(&ident);
        }
        self.parser.advance_token();
        Ok(ident)
    }

    /// `name { '.' name }`, at most three.
    pub(super) fn path(&mut self) -> ParseResult<ObjectPath> {
        let parts = self.compound()?;
        if parts.len() > 3 {
            let at = parts
                .first()
                .map_or_else(Location::empty, |part| part.span.start);
            return self.fail(
                "a path has at most three names: catalog, database, object",
                at,
            );
        }
        Ok(ObjectPath { parts })
    }

    /// `name { '.' name }`.
    pub(super) fn compound(&mut self) -> ParseResult<Vec<Ident>> {
        let mut parts = vec![self.ident()?];
        while self.eat_token(&Token::Period) {
            parts.push(self.ident()?);
        }
        Ok(parts)
    }

    /// `'(' item { ',' item } ')'`.
    pub(super) fn parenthesized<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> ParseResult<T>,
    ) -> ParseResult<Vec<T>> {
        self.expect_token(&Token::LParen)?;
        let mut items = vec![item(self)?];
        while self.eat_token(&Token::Comma) {
            items.push(item(self)?);
        }
        self.expect_token(&Token::RParen)?;
        Ok(items)
    }

    /// A string in single quotes, with its place.
    pub(super) fn string(&mut self, what: &str) -> ParseResult<(String, Span)> {
        let token = self.parser.peek_token_ref();
        let (Token::SingleQuotedString(text) | Token::UnicodeStringLiteral(text)) = &token.token
        else {
            return self.expected(what);
        };
        let found = (text.clone(), token.span);
        self.parser.advance_token();
        Ok(found)
    }

    /// `COMMENT 'text'`, if it is next.
    pub(super) fn comment(&mut self) -> ParseResult<Option<String>> {
        if !self.eat("COMMENT") {
            return Ok(None);
        }
        self.string("a comment in single quotes")
            .map(|(comment, _)| Some(comment))
    }

    /// `WITH ('key' = 'value', …)`, if it is next.
    pub(super) fn with_options(&mut self) -> ParseResult<Vec<OptionEntry>> {
        if !self.eat("WITH") {
            return Ok(Vec::new());
        }
        self.options()
    }

    /// `('key' = 'value', …)`; may be empty.
    pub(super) fn options(&mut self) -> ParseResult<Vec<OptionEntry>> {
        if self.parser.peek_nth_token_ref(1).token == Token::RParen
            && self.eat_token(&Token::LParen)
        {
            self.expect_token(&Token::RParen)?;
            return Ok(Vec::new());
        }
        // Of a key that is given twice, the last value counts.
        let mut options: Vec<OptionEntry> = Vec::new();
        for option in self.parenthesized(Self::option)? {
            match options.iter_mut().find(|known| known.key == option.key) {
                Some(known) => *known = option,
                None => options.push(option),
            }
        }
        Ok(options)
    }

    /// `('key', …)`; may be empty.
    pub(super) fn option_keys(&mut self) -> ParseResult<Vec<String>> {
        if self.parser.peek_nth_token_ref(1).token == Token::RParen
            && self.eat_token(&Token::LParen)
        {
            self.expect_token(&Token::RParen)?;
            return Ok(Vec::new());
        }
        self.parenthesized(|parser| Ok(parser.string("an option's key in single quotes")?.0))
    }

    fn option(&mut self) -> ParseResult<OptionEntry> {
        let (key, key_span) = self.string("an option's key in single quotes")?;
        self.expect_token(&Token::Eq)?;
        let (value, value_span) = self.string("an option's value in single quotes")?;
        Ok(OptionEntry {
            key,
            value,
            key_span,
            value_span,
        })
    }

    pub(super) fn if_not_exists(&mut self) -> ParseResult<bool> {
        if !self.eat("IF") {
            return Ok(false);
        }
        self.expect_all(&["NOT", "EXISTS"])?;
        Ok(true)
    }

    pub(super) fn if_exists(&mut self) -> ParseResult<bool> {
        if !self.eat("IF") {
            return Ok(false);
        }
        self.expect("EXISTS")?;
        Ok(true)
    }

    /// The place of the next token.
    pub(super) fn here(&self) -> Location {
        self.parser.peek_token_ref().span.start
    }

    /// From a place to the end of the last token that was read.
    pub(super) fn span_from(&self, from: Location) -> Span {
        let mut idx = self.parser.index();
        while idx > 0 {
            idx -= 1;
            let token = self.parser.token_at(idx);
            if !matches!(token.token, Token::Whitespace(_) | Token::EOF) {
                return Span::new(from, token.span.end);
            }
        }
        Span::new(from, from)
    }
}
