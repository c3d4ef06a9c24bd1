//! Texts that came from outside, made safe to show: nothing in them moves a cursor, hides, or reads backwards.

use std::fmt::Write;

/// The text with every character that would act on a terminal or turn the direction of reading written out:
/// `\u{202e}`. What is left shows as what it is.
pub fn neutralise(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if acts(character) {
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(character));
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Whether a character does something instead of being shown: control characters (C0, DEL, C1), separators of lines
/// and paragraphs, and the format characters, of which the overrides of writing direction are the dangerous ones
/// (CVE-2021-42574) and those without width the ones that make two names look like one.
pub(crate) fn acts(character: char) -> bool {
    matches!(
        character,
        '\0'..='\x1f'
            | '\x7f'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// Cuts a text at a boundary of characters so that it has at most `limit` bytes, and shows that it was cut.
pub(crate) fn clip(text: &mut Box<str>, limit: usize) {
    const CUT: &str = "…";
    if text.len() <= limit {
        return;
    }
    let end = text.floor_char_boundary(limit.saturating_sub(CUT.len()));
    *text = format!("{}{CUT}", &text[..end]).into();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_act_is_written_out() {
        for (text, shown) in [
            ("alice", "alice"),
            ("käthe 👩‍🔧", "käthe 👩\\u{200d}🔧"),
            ("a\nb\r\tc", "a\\u{a}b\\u{d}\\u{9}c"),
            ("\x1b[2Jgone", "\\u{1b}[2Jgone"),
            ("c1 \u{9b}31m", "c1 \\u{9b}31m"),
            ("adm\u{202e}nimda", "adm\\u{202e}nimda"),
            ("\u{2066}x\u{2069}", "\\u{2066}x\\u{2069}"),
            ("zero\u{200b}width", "zero\\u{200b}width"),
        ] {
            assert_eq!(neutralise(text), shown);
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        for (text, limit, cut) in [("abc", 3, "abc"), ("abcdef", 5, "ab…"), ("äöüß", 6, "ä…"), ("äöüß", 2, "…")]
        {
            let mut text: Box<str> = text.into();
            clip(&mut text, limit);
            assert_eq!(&*text, cut);
        }
    }
}
