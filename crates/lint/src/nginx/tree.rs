//! From tokens to directives: `name words… ;` or `name words… { directives }`.

use super::lexer::{Lexer, Mistake, Token, Word};
use crate::inputs::{FileId, Span};

/// Blocks within blocks; configurations of people have five.
pub(crate) const MAX_DEPTH: usize = 64;

/// More directives than any file has.
const MAX_DIRECTIVES: usize = 200_000;

/// A directive. It has a block, or none.
#[derive(Debug, Clone)]
pub(crate) struct Directive {
    /// The name first.
    pub(crate) words: Vec<Word>,
    pub(crate) block: Option<Vec<Self>>,
    /// From the name to the last word.
    pub(crate) span: Span,
}

/// A file.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) directives: Vec<Directive>,
    /// What nginx stops at. What stands before it is read.
    pub(crate) mistake: Option<Mistake>,
    /// Where a bound was met, and which.
    pub(crate) beyond: Option<Mistake>,
    /// Whether another tool decides which directives there are.
    pub(crate) templated: bool,
}

impl Directive {
    pub(crate) fn name(&self) -> &str {
        self.words.first().map_or("", |word| word.text.as_str())
    }

    /// The text of a word behind the name, from 1; empty behind the last.
    pub(crate) fn text(&self, index: usize) -> &str {
        self.words.get(index).map_or("", |word| word.text.as_str())
    }

    /// The words behind the name.
    pub(crate) fn arguments(&self) -> &[Word] {
        self.words.get(1..).unwrap_or_default()
    }

    /// The directives of its block.
    pub(crate) fn inside(&self) -> &[Self] {
        self.block.as_deref().unwrap_or_default()
    }

    /// Those of its block with one of these names.
    pub(crate) fn all<'a>(&'a self, names: &'a [&str]) -> impl Iterator<Item = &'a Self> {
        self.inside().iter().filter(|directive| names.contains(&directive.name()))
    }

    /// The first of its block with this name.
    pub(crate) fn one(&self, name: &str) -> Option<&Self> {
        self.inside().iter().find(|directive| directive.name() == name)
    }
}

/// Reads a file.
pub(crate) fn parse(text: &str, file: FileId) -> Tree {
    let mut lexer = Lexer::new(text, file);
    let mut tree = Tree::default();
    let mut open: Vec<Directive> = Vec::new();
    let mut words: Vec<Word> = Vec::new();
    let mut count = 0_usize;
    while let Some(token) = lexer.next() {
        let result = match token {
            Ok(Token::Word(word)) => {
                words.push(word);
                Ok(())
            }
            Ok(Token::Semicolon) => match finish(&mut words) {
                Some(directive) => {
                    count += 1;
                    add(&mut tree, &mut open, directive);
                    Ok(())
                }
                None => Ok(()), // a lone `;` is refused by nginx and means nothing
            },
            Ok(Token::Open(span)) => {
                count += 1;
                block(&mut lexer, &mut tree, &mut open, finish(&mut words), span)
            }
            Ok(Token::Close(span)) => close(&mut tree, &mut open, &mut words, span),
            Err(mistake) => Err(mistake),
        };
        if let Err(mistake) = result {
            tree.mistake = Some(mistake);
            break;
        }
        if count > MAX_DIRECTIVES || open.len() > MAX_DEPTH {
            let text = if count > MAX_DIRECTIVES { "more directives than any file has" } else { "nested too deeply" };
            tree.beyond = open.last().or(tree.directives.last()).map(|last| Mistake { text, span: last.span });
            break;
        }
    }
    tree.templated = lexer.templated;
    let is_read = tree.mistake.is_none() && tree.beyond.is_none();
    if let (true, Some(word)) = (is_read, words.first()) {
        tree.mistake = Some(Mistake { text: "there is no `;` behind this", span: word.span });
    } else if let (true, Some(directive)) = (is_read, open.last()) {
        tree.mistake = Some(Mistake { text: "this block is not closed", span: directive.span });
    }
    // What was open is kept as far as it was read.
    while let Some(directive) = open.pop() {
        add(&mut tree, &mut open, directive);
    }
    tree
}

fn finish(words: &mut Vec<Word>) -> Option<Directive> {
    let words = std::mem::take(words);
    let (first, last) = (words.first()?.span, words.last()?.span);
    Some(Directive { words, block: None, span: Span { end: last.end, ..first } })
}

fn add(tree: &mut Tree, open: &mut [Directive], directive: Directive) {
    match open.last_mut() {
        Some(parent) => parent.block.get_or_insert_default().push(directive),
        None => tree.directives.push(directive),
    }
}

fn block(
    lexer: &mut Lexer<'_>,
    tree: &mut Tree,
    open: &mut Vec<Directive>,
    directive: Option<Directive>,
    span: Span,
) -> Result<(), Mistake> {
    let Some(mut directive) = directive else { return Err(Mistake { text: "this block has no name", span }) };
    directive.block = Some(Vec::new());
    if directive.name().ends_with("_by_lua_block") {
        let is_closed = lexer.skip_lua();
        let span = directive.span;
        add(tree, open, directive);
        return if is_closed { Ok(()) } else { Err(Mistake { text: "this block is not closed", span }) };
    }
    open.push(directive);
    Ok(())
}

fn close(tree: &mut Tree, open: &mut Vec<Directive>, words: &mut Vec<Word>, span: Span) -> Result<(), Mistake> {
    if let Some(directive) = finish(words) {
        let span = directive.span;
        add(tree, open, directive);
        return Err(Mistake { text: "there is no `;` behind this", span });
    }
    let Some(directive) = open.pop() else { return Err(Mistake { text: "this closes no block", span }) };
    add(tree, open, directive);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use proptest::prelude::*;

    use super::*;

    fn shown(directives: &[Directive]) -> String {
        let mut text = String::new();
        for directive in directives {
            let words: Vec<&str> = directive.words.iter().map(|word| word.text.as_str()).collect();
            let inside = directive.block.as_ref().map(|block| format!("{{{}}}", shown(block)));
            write!(text, "{}{};", words.join(" "), inside.unwrap_or_default()).unwrap();
        }
        text
    }

    #[test]
    fn directives_have_words_and_blocks() {
        let text = "http {\n  map $a $b { default 0; ~x 1; }\n  server { listen 80 ssl; location / { return 200 \"{}\"; } \
                    content_by_lua_block { ngx.say(\"}\") }\n allow all; }\n}\n";
        let tree = parse(text, FileId(0));
        assert_eq!(tree.mistake, None);
        assert_eq!(
            shown(&tree.directives),
            "http{map $a $b{default 0;~x 1;};server{listen 80 ssl;location /{return 200 {};};content_by_lua_block{};\
             allow all;};};"
        );
    }

    #[test]
    fn what_stands_before_a_mistake_is_read() {
        for (text, mistake, read) in [
            ("a;\nb", "there is no `;` behind this", "a;"),
            ("server { listen 80; ", "this block is not closed", "server{listen 80;};"),
            ("server { listen 80 }", "there is no `;` behind this", "server{listen 80;};"),
            ("a; } b;", "this closes no block", "a;"),
            ("a; { b; }", "this block has no name", "a;"),
            ("a; b 'c", "this quote is not closed", "a;"),
            ("x_by_lua_block { '", "this block is not closed", "x_by_lua_block{};"),
        ] {
            let tree = parse(text, FileId(0));
            assert_eq!(tree.mistake.map(|mistake| mistake.text), Some(mistake), "{text}");
            assert_eq!(shown(&tree.directives), read, "{text}");
        }
    }

    #[test]
    fn towers_and_crowds_are_bounded() {
        let tower = parse(&"a {".repeat(1_000_000), FileId(0));
        assert_eq!(tower.beyond.map(|beyond| beyond.text), Some("nested too deeply"));
        let crowd = parse(&"a;".repeat(1_000_000), FileId(0));
        assert_eq!(crowd.beyond.map(|beyond| beyond.text), Some("more directives than any file has"));
    }

    proptest! {
        #[test]
        fn any_text_gives_a_tree(text in "(server|listen 80|location /|[{};#'\"]|[ -~ä\n]| |x_by_lua_block){0,60}") {
            let tree = parse(&text, FileId(0));
            let mut open: Vec<&Directive> = tree.directives.iter().collect();
            while let Some(directive) = open.pop() {
                prop_assert!(text.get(directive.span.start as usize..directive.span.end as usize).is_some());
                open.extend(directive.inside());
            }
        }
    }
}
