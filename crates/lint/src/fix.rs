//! Applying the fixes that need no decision. Only the bytes of the edits change, so comments and layout stay.

use std::{collections::BTreeMap, path::PathBuf};

use crate::{
    finding::{Edit, Finding, Safety},
    inputs::{FileId, Inputs},
};

/// A file with fixes applied.
#[derive(Debug)]
pub struct Fixed {
    /// Where it lies.
    pub path: PathBuf,
    /// What it says now.
    pub before: String,
    /// What it would say.
    pub after: String,
    /// Number of findings that this mends.
    pub mended: usize,
}

/// The files that safe fixes would change. Of two fixes that touch the same bytes the first in reading order is taken;
/// the other is found again by the next run.
pub fn fixes(findings: &[Finding], inputs: &Inputs) -> Vec<Fixed> {
    let mut chosen: BTreeMap<FileId, (Vec<&Edit>, usize)> = BTreeMap::new();
    for finding in findings {
        let Some(fix) = finding.fix.as_ref().filter(|fix| fix.safety == Safety::Safe && !fix.edits.is_empty()) else {
            continue;
        };
        let is_free = fix.edits.iter().all(|edit| {
            chosen.get(&edit.span.file).is_none_or(|(taken, _)| taken.iter().all(|other| !touch(other, edit)))
        });
        if is_free {
            for edit in &fix.edits {
                chosen.entry(edit.span.file).or_default().0.push(edit);
            }
            chosen.entry(finding.span.file).or_default().1 += 1;
        }
    }
    chosen.into_iter().map(|(file, (edits, mended))| fixed(file, edits, mended, inputs)).collect()
}

fn touch(one: &Edit, other: &Edit) -> bool {
    one.span.start <= other.span.end && other.span.start <= one.span.end
}

fn fixed(file: FileId, mut edits: Vec<&Edit>, mended: usize, inputs: &Inputs) -> Fixed {
    edits.sort_by_key(|edit| edit.span.start);
    let before = inputs.text(file).to_owned();
    let mut after = String::with_capacity(before.len());
    let mut end = 0;
    for edit in edits {
        after.push_str(before.get(end..edit.span.start as usize).unwrap_or(""));
        after.push_str(&edit.replacement);
        end = edit.span.end as usize;
    }
    after.push_str(before.get(end..).unwrap_or(""));
    Fixed { path: inputs.path(file).to_owned(), before, after, mended }
}
