//! The mistakes behind most syntax errors, as found in the line itself.

/// What to do about a syntax error at this offset, if the line gives it away.
pub(super) fn for_line(text: &str, offset: usize) -> Option<&'static str> {
    let offset = (0..=offset.min(text.len())).rev().find(|offset| text.is_char_boundary(*offset))?;
    let before = text[..offset].trim_end_matches(['\n', '\r']);
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[start..].lines().next()?;
    let has_flow = line.contains(['{', '[']);
    if line.trim_start_matches(' ').starts_with('\t') {
        Some("YAML is indented with spaces, not with tabs")
    } else if [": *", "- *", "[*", ", *"].iter().any(|start| line.contains(start)) {
        Some("a value that begins with `*` must be quoted, such as \"*.example.com\"")
    } else if line.contains("[::") || line.contains(": [") && line.contains("]:") {
        Some("an IPv6 address with port must be quoted, such as \"[::1]:443\"")
    } else if has_flow && line.contains("${") {
        Some("inside of `{ }` and `[ ]` a reference must be quoted, such as \"${env:NAME}\"")
    } else if has_flow && line.contains(": ~") {
        Some("inside of `{ }` and `[ ]` a regular expression must be quoted, such as \"~/v[0-9]+\"")
    } else if line.contains(": %") || line.contains(": @") || line.contains(": `") {
        Some("a value that begins with `%`, `@` or a backtick must be quoted")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_mistakes_are_named() {
        for (line, word) in [
            ("a: 1\n\tb: 2\n", "tabs"),
            ("host: *.example.com\n", "*.example.com"),
            ("listen: [::1]:443\n", "IPv6"),
            ("- { port: web, path: ~/v[0-9]+ }\n", "regular expression"),
            ("admin: { token: ${env:X} }\n", "${env:NAME}"),
        ] {
            let hint = for_line(line, line.len() - 1).unwrap_or_default();
            assert!(hint.contains(word), "{line}: {hint}");
        }
        assert_eq!(for_line("a: b", 4), None);
    }
}
