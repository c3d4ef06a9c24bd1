//! From text to tokens, as `ngx_conf_read_token()` of nginx takes them.
//!
//! Quotes count only at the start of a word, `#` begins a comment only there, and `${` does not open a block. Files
//! are often templates of another tool: an expression of Jinja or ERB stays one word or is passed over.

use crate::inputs::{FileId, Span};

/// A word, or what stands between words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    Word(Word),
    Semicolon,
    Open(Span),
    Close(Span),
}

/// A word without its quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) text: String,
    /// As written, with its quotes.
    pub(crate) span: Span,
    /// Whether an expression of a template language is in it.
    pub(crate) is_template: bool,
}

impl Word {
    /// The place of a part of the text, exact where the word is written without quotes and escapes.
    pub(crate) fn part(&self, start: usize, end: usize) -> Span {
        if (self.span.end - self.span.start) as usize != self.text.len() {
            return self.span;
        }
        Span { start: self.span.start + start as u32, end: self.span.start + end as u32, ..self.span }
    }
}

/// What nginx stops at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub(crate) text: &'static str,
    pub(crate) span: Span,
}

/// Reads tokens from the start of a text.
pub(crate) struct Lexer<'t> {
    text: &'t str,
    file: FileId,
    at: usize,
    /// Whether lines of a template language were passed over.
    pub(crate) templated: bool,
    /// For each kind of template expression, up to where its end was searched for in vain. Without it, a text that
    /// begins many and ends none would be searched over and over.
    barren: [usize; TEMPLATES.len()],
}

/// Blanks beside an expression on its line; more are not looked at.
const MAX_INDENTATION: usize = 128;

/// Longer names of variables are not looked for.
const MAX_VARIABLE: usize = 128;

/// Where a template expression begins and ends, and whether it stands for text (or only steers the tool).
const TEMPLATES: [(&str, &str, bool); 5] =
    [("{{", "}}", true), ("<%=", "%>", true), ("<%", "%>", false), ("{%", "%}", false), ("{#", "#}", false)];

impl<'t> Lexer<'t> {
    pub(crate) fn new(text: &'t str, file: FileId) -> Self {
        Self { text, file, at: 0, templated: false, barren: [0; TEMPLATES.len()] }
    }

    /// The next token; `None` at the end.
    pub(crate) fn next(&mut self) -> Option<Result<Token, Mistake>> {
        loop {
            let rest = &self.text[self.at..];
            let start = self.at;
            match *rest.as_bytes().first()? {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                b'#' => self.at += rest.find('\n').unwrap_or(rest.len()),
                b'{' | b'<' if self.skips_template() || self.skips_control() => {}
                b'{' if self.template().is_none() => {
                    self.at += 1;
                    return Some(Ok(Token::Open(self.span(start))));
                }
                b'}' => {
                    self.at += 1;
                    return Some(Ok(Token::Close(self.span(start))));
                }
                b';' => {
                    self.at += 1;
                    return Some(Ok(Token::Semicolon));
                }
                quote @ (b'"' | b'\'') => return Some(self.quoted(quote)),
                _ => return Some(Ok(Token::Word(self.plain()))),
            }
        }
    }

    /// Passes over a block of a program in Lua, behind its `{`. False if it does not end.
    pub(crate) fn skip_lua(&mut self) -> bool {
        let mut depth = 1_u32;
        while let Some(character) = self.text[self.at..].chars().next() {
            let rest = &self.text[self.at..];
            self.at += match character {
                '{' => {
                    depth += 1;
                    1
                }
                '}' => {
                    depth -= 1;
                    1
                }
                '"' => lua_string(rest, b'"'),
                '\'' => lua_string(rest, b'\''),
                '-' if rest.starts_with("--") => match lua_long(&rest[2..]) {
                    Some(length) => 2 + length,
                    None => rest.find('\n').unwrap_or(rest.len()),
                },
                '[' => lua_long(rest).unwrap_or(1),
                other => other.len_utf8(),
            };
            if depth == 0 {
                return true;
            }
        }
        false
    }

    fn span(&self, start: usize) -> Span {
        Span { file: self.file, start: start as u32, end: self.at as u32 }
    }

    /// Passes over what only steers a template tool, up to the end of its line at least.
    fn skips_template(&mut self) -> bool {
        let rest = &self.text[self.at..];
        let kind = TEMPLATES.iter().position(|(begin, ..)| rest.starts_with(begin));
        let Some(kind) = kind.filter(|kind| !TEMPLATES[*kind].2) else { return false };
        let Some(length) = self.expression(kind, self.text.len()) else { return false };
        self.at += length;
        self.templated = true;
        true
    }

    /// Passes over `{{ if … }}`, `{{ end }}`, `{{- /* … */ -}}` of Go templates, which steer in the braces that stand
    /// for text elsewhere, and over any expression that has a line to itself.
    fn skips_control(&mut self) -> bool {
        const WORDS: [&str; 12] =
            ["if", "else", "end", "range", "with", "define", "block", "template", "for", "endif", "endfor", "each"];
        let rest = &self.text[self.at..];
        if !rest.starts_with("{{") {
            return false;
        }
        let Some(length) = self.expression(0, self.text.len()) else { return false };
        let inside = rest[2..length - 2].trim_matches(['-', ' ', '\t', '\n', '\r']);
        let first = inside.split([' ', '\t', '\n', '(']).next().unwrap_or("");
        let steers =
            WORDS.contains(&first.trim_start_matches(['#', '/'])) || inside.starts_with("/*") || inside.contains(":=");
        let to_line_end = |byte: &u8| *byte != b'\n';
        let before = self.text.as_bytes()[..self.at].iter().rev().take(MAX_INDENTATION).take_while(|b| to_line_end(b));
        let behind = rest.as_bytes()[length..].iter().take(MAX_INDENTATION).take_while(|b| to_line_end(b));
        let is_alone = before.chain(behind).all(u8::is_ascii_whitespace);
        if steers || is_alone {
            self.at += length;
            self.templated = true;
        }
        steers || is_alone
    }

    /// Length of the template expression that begins here, stands for text, and ends on this line.
    fn template(&mut self) -> Option<usize> {
        let rest = &self.text[self.at..];
        let kind = TEMPLATES.iter().position(|(begin, _, is_text)| *is_text && rest.starts_with(begin))?;
        if self.barren[kind] > self.at {
            return None;
        }
        let line = rest.find('\n').map_or(self.text.len(), |end| self.at + end);
        self.expression(kind, line)
    }

    /// Length of an expression of a kind that begins here and ends before a limit.
    fn expression(&mut self, kind: usize, limit: usize) -> Option<usize> {
        let (begin, end, _) = TEMPLATES[kind];
        if self.barren[kind] > self.at {
            return None;
        }
        let found = self.text[..limit].get(self.at + begin.len()..).and_then(|rest| rest.find(end));
        if found.is_none() {
            self.barren[kind] = limit;
        }
        found.map(|length| begin.len() + length + end.len())
    }

    fn quoted(&mut self, quote: u8) -> Result<Token, Mistake> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let rest = &self.text[self.at..];
            let Some(character) = rest.chars().next() else {
                let span = Span { end: start as u32 + 1, ..self.span(start) };
                return Err(Mistake { text: "this quote is not closed", span });
            };
            if character == char::from(quote) {
                self.at += 1;
                break;
            }
            if character == '\\' {
                self.escape(&mut text);
            } else {
                text.push(character);
                self.at += character.len_utf8();
            }
        }
        let behind = self.text[self.at..].chars().next();
        if let Some(behind) = behind.filter(|behind| !matches!(behind, ' ' | '\t' | '\r' | '\n' | ';' | '{' | ')')) {
            let end = (self.at + behind.len_utf8()) as u32;
            let span = Span { start: self.at as u32, end, file: self.file };
            return Err(Mistake { text: "there is no blank or `;` behind the quote", span });
        }
        let is_template = has_template(&text);
        Ok(Token::Word(Word { text, span: self.span(start), is_template }))
    }

    fn plain(&mut self) -> Word {
        let start = self.at;
        let mut text = String::new();
        let mut is_template = false;
        while let Some(character) = self.text[self.at..].chars().next() {
            let rest = &self.text[self.at..];
            match character {
                ' ' | '\t' | '\r' | '\n' | ';' => break,
                '{' | '<' => match self.template() {
                    Some(length) => {
                        text.push_str(&rest[..length]);
                        self.at += length;
                        is_template = true;
                        continue;
                    }
                    None if character == '{' => break,
                    None => {}
                },
                '$' if rest.starts_with("${") => {
                    // Variables have no blanks in their braces; what has is a template of another kind.
                    let near = rest.bytes().take(MAX_VARIABLE).position(|byte| matches!(byte, b'}' | b';' | b'\n'));
                    let end = near.filter(|end| rest.as_bytes()[*end] == b'}');
                    let length = end.map_or(2, |end| end + 1);
                    text.push_str(&rest[..length]);
                    self.at += length;
                    continue;
                }
                '\\' => {
                    self.escape(&mut text);
                    continue;
                }
                _ => {}
            }
            text.push(character);
            self.at += character.len_utf8();
        }
        Word { text, span: self.span(start), is_template }
    }

    /// Quotes, backslashes and three control characters are unescaped; other escapes are for the directive to read.
    fn escape(&mut self, text: &mut String) {
        let mut characters = self.text[self.at + 1..].chars();
        let escaped = characters.next();
        match escaped {
            Some(meant @ ('"' | '\'' | '\\')) => text.push(meant),
            Some('t') => text.push('\t'),
            Some('r') => text.push('\r'),
            Some('n') => text.push('\n'),
            Some(other) => {
                text.push('\\');
                text.push(other);
            }
            None => text.push('\\'),
        }
        self.at += 1 + escaped.map_or(0, char::len_utf8);
    }
}

fn has_template(text: &str) -> bool {
    TEMPLATES
        .iter()
        .any(|(begin, end, is_text)| *is_text && text.find(begin).is_some_and(|at| text[at..].contains(end)))
}

/// Length of a Lua string.
fn lua_string(rest: &str, quote: u8) -> usize {
    let bytes = rest.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'\n' => return at,
            byte if byte == quote => return at + 1,
            _ => {}
        }
        at += 1;
    }
    rest.len()
}

/// Length of `[[ … ]]` or `[==[ … ]==]`.
fn lua_long(rest: &str) -> Option<usize> {
    let level = rest.get(1..)?.bytes().take_while(|byte| *byte == b'=').count();
    let body = level + 2;
    if !rest.starts_with('[') || rest.as_bytes().get(level + 1) != Some(&b'[') {
        return None;
    }
    let end = format!("]{}]", "=".repeat(level));
    Some(rest[body..].find(&end).map_or(rest.len(), |at| body + at + end.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> String {
        let mut lexer = Lexer::new(text, FileId(0));
        let mut shown = Vec::new();
        while let Some(token) = lexer.next() {
            shown.push(match token {
                Ok(Token::Word(word)) => word.text,
                Ok(Token::Semicolon) => ";".to_owned(),
                Ok(Token::Open(_)) => "{".to_owned(),
                Ok(Token::Close(_)) => "}".to_owned(),
                Err(mistake) => {
                    shown.push(format!("! {}", mistake.text));
                    break;
                }
            });
        }
        shown.join("|")
    }

    #[test]
    fn tokens_are_what_nginx_makes_of_them() {
        for (text, expected) in [
            ("listen 80; # web\n", "listen|80|;"),
            ("server{listen 80;}", "server|{|listen|80|;|}"),
            ("a b#c;", "a|b#c|;"),
            ("if ($host = 'a b') {", "if|($host|=|a b|)|{"),
            (r#"a "b \"c\" \d";"#, r#"a|b "c" \d|;"#),
            ("proxy_pass http://${up}:80/;", "proxy_pass|http://${up}:80/|;"),
            ("a x}y;", "a|x}y|;"),
            (r"location ~ ^/(\d+)\;x {", r"location|~|^/(\d+)\;x|{"),
            ("listen {{ port }} ssl;", "listen|{{ port }}|ssl|;"),
            ("{% if x %}\nlisten {{a}}:{{ b }};\n{% endif %}", "listen|{{a}}:{{ b }}|;"),
            ("listen <%= @port %>;<% end %>", "listen|<%= @port %>|;"),
            ("{{ if $x }}listen 80;{{ else }}\n{{ .Custom }}\n{{- /* a\nb */ -}}\n{{ end }}", "listen|80|;"),
            ("server_name {{ .Host }};", "server_name|{{ .Host }}|;"),
            ("a \"b", "a|! this quote is not closed"),
            ("a \"b\"c;", "a|! there is no blank or `;` behind the quote"),
            ("größe ü;", "größe|ü|;"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn lua_is_passed_over() {
        for text in
            ["ngx.say(\"}\") -- }\n }x", "local a = [[ } ]] --[==[ } ]==] { } }x", "local t = { a = '\\'}' } }x"]
        {
            let mut lexer = Lexer::new(text, FileId(0));
            assert!(lexer.skip_lua(), "{text}");
            assert_eq!(&text[lexer.at..], "x", "{text}");
        }
        assert!(!Lexer::new("a { b }", FileId(0)).skip_lua());
    }

    #[test]
    fn what_begins_often_and_never_ends_takes_no_longer() {
        for begin in ["{{", "{%", "${", "<%=", "[[", "\"", "x{"] {
            let text = begin.repeat(200_000);
            let mut lexer = Lexer::new(&text, FileId(0));
            while let Some(Ok(_)) = lexer.next() {}
            let _ = Lexer::new(&text, FileId(0)).skip_lua();
        }
    }

    proptest! {
        #[test]
        fn any_text_ends(text in "(\\{\\{|\\}\\}|[{}%]|<%|%>|[ -~äß\n]|--|\\[\\[){0,60}") {
            let mut lexer = Lexer::new(&text, FileId(0));
            let mut last = 0;
            while let Some(token) = lexer.next() {
                prop_assert!(lexer.at > last && lexer.at <= text.len());
                last = lexer.at;
                match token {
                    Ok(Token::Word(word)) => {
                        prop_assert!(text.get(word.span.start as usize..word.span.end as usize).is_some());
                    }
                    Ok(_) => {}
                    Err(_) => break,
                }
            }
            let _ = Lexer::new(&text, FileId(0)).skip_lua();
        }
    }
}
