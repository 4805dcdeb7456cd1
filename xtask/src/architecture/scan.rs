//! Reads a source file as tokens: functions and their lengths, macros, attributes, `unsafe`.
//!
//! Tokens, not a syntax tree: what stands inside macros is seen too.

use std::ops::RangeInclusive;
use std::str::FromStr;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// A function that is not for tests.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    /// From its `fn` to its last brace.
    pub(super) lines: RangeInclusive<usize>,
}

/// A macro that is used.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MacroUse {
    pub(super) name: String,
    pub(super) line: usize,
    /// The first argument that is a bare string literal, without its quotes.
    pub(super) message: Option<String>,
    /// Whether it stands in code for tests.
    pub(super) in_test: bool,
}

/// What a file holds.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) functions: Vec<Function>,
    pub(super) macros: Vec<MacroUse>,
    /// Lines with `#[ignore]`.
    pub(super) ignored: Vec<usize>,
    /// Lines with the word `unsafe`.
    pub(super) unsafes: Vec<usize>,
    /// Items under `#[cfg(test)]`.
    pub(super) test_items: Vec<RangeInclusive<usize>>,
    /// Modules of files of their own under `#[cfg(test)]`.
    pub(super) test_modules: Vec<String>,
}

impl Scan {
    /// Reads a source; `Err` says where it is not Rust.
    pub(super) fn of(source: &str) -> Result<Self, String> {
        let tokens = TokenStream::from_str(source).map_err(|error| {
            let at = error.span().start();
            format!("{}: {error}", at.line)
        })?;
        let mut scan = Self::default();
        scan.walk(tokens, false);
        Ok(scan)
    }

    fn walk(&mut self, tokens: TokenStream, in_test: bool) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut rest = tokens.as_slice();
        while let Some((token, after)) = rest.split_first() {
            rest = after;
            if let Some((attribute, after)) = attribute_at(token, rest) {
                rest = self.attribute(&attribute, token, after, in_test);
                continue;
            }
            match token {
                TokenTree::Group(group) => self.walk(group.stream(), in_test),
                TokenTree::Ident(ident) => self.word(&ident.to_string(), token, rest, in_test),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }

    /// Takes note of an attribute, and returns what is left to walk: what follows, or what follows on its item
    /// if that is for tests and has been walked here.
    fn attribute<'a>(
        &mut self,
        attribute: &Group,
        hash: &TokenTree,
        after: &'a [TokenTree],
        in_test: bool,
    ) -> &'a [TokenTree] {
        let text: String = attribute.stream().to_string().split_whitespace().collect();
        let line = first_line(hash);
        if text == "ignore" || text.starts_with("ignore=") || is_conditional_ignore(&text) {
            self.ignored.push(line);
        }
        if text.starts_with("unsafe(") {
            self.unsafes.push(line);
        }
        if in_test || !(text == "cfg(test)" || text.starts_with("cfg(all(test,")) {
            return after;
        }
        let end = item_end(after);
        let (item, after) = after.split_at(end);
        self.test_items.push(line..=item.last().map_or(line, last_line));
        let is_word = |token: &TokenTree, word: &str| matches!(token, TokenTree::Ident(it) if it == word);
        if let [.., keyword, TokenTree::Ident(name), TokenTree::Punct(_)] = item
            && is_word(keyword, "mod")
        {
            self.test_modules.push(name.to_string());
        }
        self.walk(item.iter().cloned().collect(), true);
        after
    }

    fn word(&mut self, word: &str, token: &TokenTree, rest: &[TokenTree], in_test: bool) {
        if word == "unsafe" {
            self.unsafes.push(first_line(token));
        }
        match rest {
            [TokenTree::Ident(name), ..] if word == "fn" && !in_test => {
                if let Some(TokenTree::Group(body)) = rest.get(item_end(rest).saturating_sub(1)) {
                    let lines = first_line(token)..=body.span_close().end().line;
                    self.functions.push(Function { name: name.to_string(), lines });
                }
            }
            [TokenTree::Punct(bang), TokenTree::Group(arguments), ..] if bang.as_char() == '!' => {
                let message = message(arguments.stream());
                self.macros.push(MacroUse {
                    name: word.to_owned(),
                    line: first_line(token),
                    message,
                    in_test,
                });
            }
            _ => {}
        }
    }
}

fn first_line(token: &TokenTree) -> usize {
    token.span().start().line
}

fn last_line(token: &TokenTree) -> usize {
    token.span().end().line
}

/// The brackets of the attribute that begins with `token`, if one does, and what follows on them.
fn attribute_at<'a>(token: &TokenTree, rest: &'a [TokenTree]) -> Option<(Group, &'a [TokenTree])> {
    let is = |token: &TokenTree, c| matches!(token, TokenTree::Punct(punct) if punct.as_char() == c);
    if !is(token, '#') {
        return None;
    }
    let rest = if rest.first().is_some_and(|token| is(token, '!')) { &rest[1..] } else { rest };
    match rest.split_first() {
        Some((TokenTree::Group(group), after)) if group.delimiter() == Delimiter::Bracket => {
            Some((group.clone(), after))
        }
        _ => None,
    }
}

fn is_conditional_ignore(text: &str) -> bool {
    text.starts_with("cfg_attr(") && (text.contains(",ignore)") || text.contains(",ignore="))
}

/// How many tokens the item at the front has: up to its braces or its semicolon.
fn item_end(tokens: &[TokenTree]) -> usize {
    let ends = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(punct) => punct.as_char() == ';',
        TokenTree::Ident(_) | TokenTree::Literal(_) => false,
    };
    tokens.iter().position(ends).map_or(tokens.len(), |end| end + 1)
}

/// The first argument that is a string literal and nothing else.
fn message(arguments: TokenStream) -> Option<String> {
    let tokens: Vec<TokenTree> = arguments.into_iter().collect();
    let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
    tokens.split(is_comma).find_map(|argument| match argument {
        [TokenTree::Literal(literal)] => {
            let text = literal.to_string();
            text.find('"').map(|quote| text[quote + 1..].trim_end_matches(['"', '#']).to_owned())
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r##"//! fn not_this() {}
/// `unsafe` in a comment
fn one() -> [u8; { 2 }] {
    let _ = "fn nor_this() { unsafe {} }";
    let _ = r#"}"#; // }
    '}'
}

trait Shape { fn without_body(&self); }

macro_rules! make { () => { fn inside() { unsafe {} } } }

#[cfg(test)]
mod far;

fn two() {
    tracing::info!(name = "x", count, "lowercase {count}", other);
    error!(target: "t", "Upper");
    if a != (b) {}
}

#[cfg(test)]
mod tests {
    #[test]
    #[ignore = "slow"]
    fn for_tests() { println!("x") }
}
"##;

    #[test]
    fn functions_are_measured_from_fn_to_brace_and_tests_are_left_out() {
        let scan = Scan::of(SOURCE).unwrap();
        let functions: Vec<(&str, RangeInclusive<usize>)> =
            scan.functions.iter().map(|function| (function.name.as_str(), function.lines.clone())).collect();
        assert_eq!(functions, [("one", 3..=7), ("inside", 11..=11), ("two", 16..=20)]);
    }

    #[test]
    fn words_in_texts_and_comments_are_not_words() {
        let scan = Scan::of(SOURCE).unwrap();
        assert_eq!(scan.unsafes, [11]);
        assert_eq!(scan.ignored, [25]);
    }

    #[test]
    fn items_for_tests_are_found() {
        let scan = Scan::of(SOURCE).unwrap();
        assert_eq!(scan.test_items, [13..=14, 22..=27]);
        assert_eq!(scan.test_modules, ["far"]);
    }

    #[test]
    fn macros_have_their_messages() {
        let scan = Scan::of(SOURCE).unwrap();
        let macros: Vec<(&str, Option<&str>, bool)> = scan
            .macros
            .iter()
            .map(|used| (used.name.as_str(), used.message.as_deref(), used.in_test))
            .collect();
        assert_eq!(
            macros,
            [
                ("info", Some("lowercase {count}"), false),
                ("error", Some("Upper"), false),
                ("println", Some("x"), true)
            ]
        );
    }
}
