//! What the parser says of a text that is no YAML, in words for whoever wrote the text.
//!
//! The parser speaks of scalars, block mappings and flow contexts. A person has a line, a bracket, a quote.

use std::borrow::Cow;

/// What the parser says, and what is meant; each is the whole of what it says.
const WORDS: [(&str, &str); 36] = [
    ("while scanning a quoted scalar, found unexpected end of stream", "the quote that begins here is never closed"),
    (
        "while scanning a quoted scalar, found unexpected document indicator",
        "a quote is still open where a document begins or ends",
    ),
    ("unexpected end of plain scalar", "the file ends within a value"),
    ("unexpected eof", "the file ends within a value"),
    (
        "while parsing a flow mapping, did not find expected ',' or '}'",
        "a `{` is not closed: `,` or `}` is missing here",
    ),
    ("while parsing a flow sequence, expected ',' or ']'", "a `[` is not closed: `,` or `]` is missing here"),
    ("while parsing a node, did not find expected node content", "a value is missing here"),
    (
        "while parsing a block mapping, did not find expected key",
        "this does not fit what stands above: a key is expected, indented as its neighbours are",
    ),
    (
        "while parsing a block collection, did not find expected '-' indicator",
        "this does not fit the list above: an item is expected, beginning with `- `",
    ),
    ("while parsing node, found unknown anchor", "no value before this one is named so with `&`"),
    ("while parsing anchor, found duplicated anchor", "this name was given with `&` before"),
    ("tabs disallowed within this context (block indentation)", "a tab indents this line, where only spaces may"),
    ("tabs disallowed in this context", "a tab stands where only spaces may"),
    ("while scanning a plain scalar, found a tab", "a tab stands where only spaces may"),
    (
        "mapping values are not allowed in this context",
        "a `:` can not stand here; a text that holds one must be quoted, and a key needs a line of its own",
    ),
    ("illegal placement of ':' indicator", "a `:` can not stand here; a `{` or `[` before it may not be closed"),
    ("mapping keys are not allowed in this context", "a key can not begin here"),
    ("simple key expected", "a `:` is missing behind this key"),
    (
        "block sequence entries are not allowed in this context",
        "an item of a list can not begin here; give it a line of its own",
    ),
    (
        "while parsing a quoted scalar, found unknown escape character",
        "a `\\` in double quotes begins nothing that YAML knows; write `\\\\`, or use single quotes",
    ),
    (
        "while parsing a quoted scalar, found invalid Unicode character escape code",
        "the number behind `\\` is no character",
    ),
    (
        "while parsing a quoted scalar, did not find expected hexadecimal number",
        "a hexadecimal number is missing behind `\\`",
    ),
    (
        "while scanning a block scalar, did not find expected comment or line break",
        "behind `|` or `>` only `+`, `-`, a digit and a comment may stand on the line",
    ),
    (
        "while scanning a block scalar, found an indentation indicator equal to 0",
        "the digit behind `|` or `>` is 1 to 9",
    ),
    ("invalid indentation", "this line is not indented as its neighbours are"),
    ("invalid indentation in quoted scalar", "this line of a quoted text is indented less than its key"),
    ("invalid indentation in flow construct", "this line within `{ }` or `[ ]` is indented less than its key"),
    ("invalid indentation for anchor", "the name behind `&` is not indented as its value is"),
    ("invalid trailing content after double-quoted scalar", "nothing may follow the quote that closes a text"),
    ("invalid content after document end marker", "nothing may follow `...` on its line"),
    ("did not find expected <document-start>", "something follows what is a whole document already"),
    ("did not find expected <document start>", "something follows what is a whole document already"),
    ("found unprintable character", "a control character stands here"),
    ("found incompatible YAML document", "the `%YAML` above names a version that nobody knows"),
    ("recursion limit exceeded", "it is nested more deeply than any file of people"),
    ("expected whitespace", "a space is missing here"),
];

/// What is wrong, as a part of a sentence.
pub(crate) fn of(info: &str) -> Cow<'_, str> {
    if let Some((_, words)) = WORDS.iter().find(|(said, _)| *said == info) {
        return Cow::Borrowed(words);
    }
    if let Some(character) = info.strip_prefix("unexpected character: `").and_then(|rest| rest.strip_suffix('\'')) {
        return Cow::Owned(format!("`{character}` can not begin a value; put the text in quotes"));
    }
    match info {
        info if info.contains("directive") || info.contains("TAG") => Cow::Borrowed("a line with `%` is malformed"),
        info if info.contains(" tag") => Cow::Borrowed("what follows `!` is no type of YAML; put the text in quotes"),
        info if info.contains("anchor") => Cow::Borrowed("a name is missing behind `&` or `*`; put the text in quotes"),
        info => Cow::Borrowed(info),
    }
}

#[cfg(test)]
mod tests {
    use saphyr_parser::{Parser, StrInput};

    use super::*;

    fn said(text: &str) -> Option<String> {
        let mut parser: Parser<'_, StrInput<'_>> = Parser::new_from_str(text);
        parser.find_map(Result::err).map(|error| error.info().to_owned())
    }

    #[test]
    fn what_the_parser_says_is_put_into_words_whatever_the_mistake() {
        for text in [
            "a: [\n",
            "a: \"b\n",
            "a: {b: c\n",
            "a: b: c\n",
            "a:\n  b: 1\n c: 2\n",
            "*x\n",
            "%YAML 9\n---\na",
            "a: @x\n",
            "a: \"\\q\"\n",
            "a: |2x\n b\n",
            "- a\nb: c\n",
            "a:\n\tb: 1\n",
            "&a &b c\n",
            "a: !<x\n",
            "a: \"b\" c\n",
            "a: - b\n",
            "a: 'b\n---\n",
            "a: \"\\u12\"\n",
            "a: [b\nc: d]\n",
            "a: |0\n b\n",
        ] {
            let info = said(text).unwrap_or_else(|| panic!("{text:?} is valid"));
            let words = of(&info);
            assert_ne!(words, info, "{text:?}");
            let jargon = ["scalar", "flow", "context", "block mapping", "node", "stream", "did not find"];
            assert!(!jargon.iter().any(|word| words.contains(word)), "{text:?}: {words}");
        }
    }
}
