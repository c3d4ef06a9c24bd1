//! For programs. The field names are those of [`Map`].

use crate::map::Map;

pub(super) fn draw(map: &Map) -> String {
    // A map is plain data, which cannot fail to be written.
    let mut text = serde_json::to_string_pretty(map).unwrap_or_default();
    text.push('\n');
    text
}
